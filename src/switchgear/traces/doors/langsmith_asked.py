"""What LangSmith's second version of reading is asked for: which runs, which of their fields, and how many at once.

An option that is not understood is refused by name: one that is passed over shows what was not asked for.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, cast
from uuid import UUID

from fastapi import Request
from msgspec import Struct

from switchgear.kernel.errors import BadRequest
from switchgear.traces.doors.langsmith_filter import Test, read_filter
from switchgear.traces.doors.langsmith_runs import ended_ns_of, started_ns_of
from switchgear.traces.doors.langsmith_shown import FIELDS
from switchgear.traces.doors.reading import moment_ns, read_cursor, text
from switchgear.traces.drafts import Draft

Options = Mapping[str, object]
_DAY_NS: Final = 86_400_000_000_000
_LAST_NS: Final = (1 << 63) - 1
_USUAL_RUNS, _MOST_RUNS = 100, 1_000
_USUAL_TRACES, _MOST_TRACES = 20, 100
_NOT_HERE: Final[Mapping[str, str]] = {
    "ai_search": "say it in 'filter', or search for words with filter='search(\"words\")'",
    "sem_filter": "say it in 'filter', or search for words with filter='search(\"words\")'",
    "tree_filter": "ask for the traces, then for the runs of each",
    "include_subtree_usage": "ask for the trace's sums at /api/v2/traces/query",
    "min_feedback_modified_at": "ask /feedback",
    "max_feedback_modified_at": "ask /feedback",
}
"""Options that are not served, and what to do instead."""
_OF_BOTH: Final = ("cursor", "max_start_time", "min_start_time", "page_size", "selects", "trace_filter")
_OF_RUNS: Final = (
    *_OF_BOTH,
    "project_ids",
    *("filter", "has_error", "ids", "is_root", "reference_dataset_id", "reference_examples", "run_type", "trace_id"),
)
_OF_TRACES: Final = (*_OF_BOTH, "project_id", "trace_ids")


class Wanted(Struct, frozen=True, kw_only=True):
    """Runs that are asked for; what is empty is not asked for."""

    projects: tuple[str, ...] = ()
    """UUIDs of LangSmith's projects."""
    dataset: str = ""
    """In place of them: the dataset whose experiments they are."""
    ids: tuple[str, ...] = ()
    trace: str = ""
    examples: tuple[str, ...] = ()
    run_type: str = ""
    is_root: bool | None = None
    has_error: bool | None = None
    since_ns: int = 0
    until_ns: int = _LAST_NS
    """The last moment."""
    passes: Test | None = None
    root_passes: Test | None = None
    """What the first run of its trace must pass."""
    selects: tuple[str, ...] = ("ID",)
    limit: int = _USUAL_RUNS
    before: tuple[int, str] | None = None
    """When the last run of the page before began, and its id."""

    def fits(self, draft: Draft) -> bool:
        """Whether a run is asked for, as far as it tells itself."""
        run = draft.fields
        failed = bool(text(run, "error"))
        place = place_of(draft)
        conditions = (
            not self.ids or draft.id in self.ids,
            not self.trace or (draft.trace or draft.id) == self.trace,
            not self.examples or text(run, "reference_example_id") in self.examples,
            not self.run_type or (text(run, "run_type") or "chain") == self.run_type,
            self.is_root is None or self.is_root == (not text(run, "parent_run_id")),
            # A run that goes on may still fail.
            self.has_error is None or (failed if self.has_error else not failed and ended_ns_of(run) is not None),
            self.since_ns <= place[0] <= self.until_ns,
            self.before is None or place < self.before,
            self.passes is None or self.passes(draft),
        )
        return all(conditions)


def place_of(draft: Draft) -> tuple[int, str]:
    """Where a run stands in lists: by the moment it began, then its id."""
    return started_ns_of(draft.fields) or 0, draft.id


def runs_wanted(body: Options, now_ns: int) -> Wanted:
    """What ``/runs/query`` is asked for. Raises BadRequest."""
    _check(body, _OF_RUNS)
    dataset = _uuid(body, "reference_dataset_id")
    projects = _uuids(body, "project_ids")
    if bool(projects) == bool(dataset):
        raise BadRequest("say either 'project_ids' or 'reference_dataset_id'", param="project_ids")
    return Wanted(
        projects=projects,
        dataset=dataset,
        ids=_uuids(body, "ids"),
        trace=_uuid(body, "trace_id"),
        examples=_uuids(body, "reference_examples"),
        run_type=_text(body, "run_type").lower(),
        is_root=_boolean(body, "is_root"),
        has_error=_boolean(body, "has_error"),
        since_ns=_moment(body, "min_start_time", 0 if dataset else now_ns - _DAY_NS),
        until_ns=_moment(body, "max_start_time", _LAST_NS),
        passes=_filter(body, "filter"),
        root_passes=_filter(body, "trace_filter"),
        selects=_selected(body.get("selects")),
        limit=_limit(body, _USUAL_RUNS, _MOST_RUNS),
        before=read_cursor(text(body, "cursor")) if text(body, "cursor") else None,
    )


def traces_wanted(body: Options, now_ns: int) -> Wanted:
    """The first runs that ``/traces/query`` is asked for. Raises BadRequest."""
    _check(body, _OF_TRACES)
    return Wanted(
        projects=(_required(body, "project_id"),),
        ids=_uuids(body, "trace_ids"),
        is_root=True,
        since_ns=_moment(body, "min_start_time", now_ns - _DAY_NS),
        # Here the bound itself is not meant.
        until_ns=_moment(body, "max_start_time", _LAST_NS) - 1,
        passes=_filter(body, "trace_filter"),
        selects=_selected(body.get("selects")),
        limit=_limit(body, _USUAL_TRACES, _MOST_TRACES),
        before=read_cursor(text(body, "cursor")) if text(body, "cursor") else None,
    )


def run_wanted(request: Request, beside: Sequence[str] = ()) -> Wanted:
    """One run; options ``beside`` may be there too. Raises BadRequest."""
    said = _params(request, ("project_id", "selects", "start_time", *beside))
    return Wanted(projects=(_required(said, "project_id"),), selects=_selected(said.get("selects")))


def runs_of_trace_wanted(request: Request, trace: str) -> Wanted:
    """The runs of a trace. Raises BadRequest."""
    said = _params(request, ("project_id", "filter", "max_start_time", "min_start_time", "selects"))
    return Wanted(
        projects=(_required(said, "project_id"),),
        trace=trace,
        since_ns=_moment(said, "min_start_time", 0),
        until_ns=_moment(said, "max_start_time", _LAST_NS),
        passes=_filter(said, "filter"),
        selects=_selected(said.get("selects")),
    )


def _params(request: Request, known: Collection[str]) -> Options:
    """A query as a body would say it; only ``selects`` is said more than once."""
    query = request.query_params
    said: dict[str, object] = {name: query[name] for name in query if name != "selects"}
    _check(said, known)
    return {**said, "selects": query.getlist("selects")}


def _check(said: Options, known: Collection[str]) -> None:
    for name, value in said.items():
        if value in (None, "", False):
            continue
        if name in _NOT_HERE:
            raise BadRequest(f"{name!r} is not served here: {_NOT_HERE[name]}", param=name)
        if name not in known:
            raise BadRequest(f"there is no option {name[:60]!r} here: there are {', '.join(known)}", param=name[:60])


def _selected(said: object) -> tuple[str, ...]:
    names = [name.upper() for name in _texts(said, "selects")]
    for name in names:
        if name not in FIELDS:
            raise BadRequest(f"runs have no field {name[:40]!r}: there are {', '.join(FIELDS)}", param="selects")
    return ("ID", *names) if "ID" not in names else tuple(names)


def _filter(said: Options, name: str) -> Test | None:
    words = _text(said, name)
    return read_filter(words) if words else None


def _limit(body: Options, usual: int, most: int) -> int:
    said = body.get("page_size")
    if said is None:
        return usual
    if not isinstance(said, int) or isinstance(said, bool) or not 1 <= said <= most:
        raise BadRequest(f"'page_size' is from 1 to {most}", param="page_size")
    return said


def _moment(said: Options, name: str, usual: int) -> int:
    value = said.get(name)
    if value is None:
        return usual
    found = moment_ns(value) if isinstance(value, str) else None
    if found is None:
        raise BadRequest(f"{name!r} is no moment in ISO 8601", param=name)
    return min(max(found, 0), _LAST_NS)


def _boolean(body: Options, name: str) -> bool | None:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise BadRequest(f"{name!r} is true or false", param=name)


def _text(said: Options, name: str) -> str:
    value = said.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    raise BadRequest(f"{name!r} is no text", param=name)


def _required(said: Options, name: str) -> str:
    found = _uuid(said, name)
    if not found:
        raise BadRequest(f"{name!r} is missing: the UUID of a project, as /sessions tells it", param=name)
    return found


def _uuid(said: Options, name: str) -> str:
    value = _text(said, name)
    return _canonical(value, name) if value else ""


def _uuids(said: Options, name: str) -> tuple[str, ...]:
    return tuple(_canonical(each, name) for each in _texts(said.get(name), name))


def _canonical(value: str, name: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise BadRequest(f"{name!r} has UUIDs, and {value[:64]!r} is none", param=name) from None


def _texts(value: object, name: str) -> Sequence[str]:
    if value is None:
        return ()
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in listed):
        raise BadRequest(f"{name!r} is a list of texts", param=name)
    return cast("list[str]", listed)
