"""Which runs LangSmith's SDK asks for, and how it is shown one."""

from collections.abc import Callable, Mapping
from typing import Final, cast

from msgspec import Struct

from switchgear.kernel.errors import BadRequest
from switchgear.traces.doors.langsmith_filter import Test, read_filter
from switchgear.traces.doors.langsmith_runs import is_pending
from switchgear.traces.doors.reading import moment_ns, text
from switchgear.traces.drafts import Draft, Fields

_MOST: Final = 100
_SHOWN: Final = (
    *("name", "start_time", "end_time", "run_type", "inputs", "outputs", "error", "extra", "events", "tags"),
    *("serialized", "parent_run_id", "reference_example_id", "dotted_order"),
)
SessionId = Callable[[str], str]
"""The id of the session with a name."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Runs that are asked for; what is empty is not asked for."""

    ids: tuple[str, ...] = ()
    trace: str = ""
    parent: str = ""
    run_type: str = ""
    sessions: tuple[str, ...] = ()
    is_root: bool | None = None
    has_error: bool | None = None
    since_ns: int = 0
    passes: Test | None = None
    """LangSmith's own filter."""
    limit: int = _MOST
    offset: int = 0

    @classmethod
    def read(cls, body: Mapping[str, object]) -> "Wanted":
        """Raises BadRequest for a filter that is not understood here."""
        for name in ("trace_filter", "tree_filter", "query"):
            if body.get(name):
                raise BadRequest(f"{name!r} is not understood here; ask /api/v1/spans", param=name)
        filter_text = body.get("filter") or ""
        if not isinstance(filter_text, str):
            raise BadRequest("'filter' is no text", param="filter")
        limit, cursor = body.get("limit"), text(body, "cursor")
        return cls(
            ids=_texts(body.get("id")),
            trace=text(body, "trace"),
            parent=text(body, "parent_run"),
            run_type=text(body, "run_type"),
            sessions=_texts(body.get("session")),
            is_root=_boolean(body.get("is_root")),
            has_error=_boolean(body.get("error")),
            since_ns=moment_ns(body.get("start_time")) or 0,
            passes=read_filter(filter_text) if filter_text else None,
            limit=min(limit, _MOST) if isinstance(limit, int) and limit > 0 else _MOST,
            offset=int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 9 else 0,
        )

    def fits(self, draft: Draft, session_id: SessionId) -> bool:
        """Whether a run is asked for."""
        run = draft.fields
        parent = text(run, "parent_run_id")
        conditions = (
            not self.parent or parent == self.parent,
            not self.run_type or text(run, "run_type") == self.run_type,
            not self.sessions or bool({_session(run, session_id), text(run, "session_name")} & {*self.sessions}),
            self.is_root is None or self.is_root == (not parent),
            self.has_error is None or self.has_error == bool(text(run, "error")),
            (moment_ns(run.get("start_time")) or 0) >= self.since_ns,
            self.passes is None or self.passes(draft),
        )
        return all(conditions)


def shown_run(draft: Draft, session_id: SessionId) -> dict[str, object]:
    """A run as LangSmith's API shows it."""
    run = draft.fields
    shown: dict[str, object] = {name: run.get(name) for name in _SHOWN}
    status = "pending" if is_pending(run) else "error" if text(run, "error") else "success"
    return {
        **shown,
        "id": draft.id,
        "name": run.get("name") or "unnamed run",
        "run_type": run.get("run_type") or "chain",
        "inputs": run.get("inputs") or {},
        "dotted_order": run.get("dotted_order") or "",
        "trace_id": draft.trace or draft.id,
        "session_id": _session(run, session_id) or None,
        "status": status,
    }


def _session(run: Fields, session_id: SessionId) -> str:
    name = text(run, "session_name")
    return text(run, "session_id") or (session_id(name) if name else "")


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(each for each in listed if isinstance(each, str))


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
