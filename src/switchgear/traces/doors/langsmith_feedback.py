"""LangSmith's feedback as scores, and scores as its feedback."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msgspec import json

from switchgear.kernel.errors import BadRequest
from switchgear.rest.written import moment
from switchgear.traces.doors.langsmith_runs import span_id_of
from switchgear.traces.doors.reading import as_text, moment_ns, number, text
from switchgear.traces.drafts import Fields, object_in
from switchgear.traces.intake import Origin
from switchgear.traces.scores.model import DataType, Score, Source, checked

_SOURCES: Final[Mapping[str, Source]] = {"api": "code", "model": "judge", "app": "human", "auto_eval": "judge"}
_TYPES: Final[Mapping[Source, str]] = {"code": "api", "judge": "model", "human": "app"}
_BESIDE: Final = "langsmith"
_KEPT: Final = (
    "run_id",
    "trace_id",
    "session_id",
    "value",
    "correction",
    "extra",
    "feedback_source",
    "feedback_config",
)


def read_feedback(fields: Fields, origin: Origin, trace: str, now_ns: int) -> Score:
    """A score; ``trace`` is the UUID of its run's trace where it does not say so itself. Raises BadRequest."""
    run_id, trace = _uuid(fields, "run_id"), _uuid(fields, "trace_id") or trace
    session = text(fields, "session_id")
    score, value = fields.get("score"), fields.get("value")
    as_number = number(score)
    words = value if isinstance(value, str) else "" if value is None else as_text(value)
    data_type: DataType = "categorical" if words else "numeric"
    if isinstance(score, bool):
        data_type = "boolean"
    elif as_number is None and not words:
        # Some feedback is only a comment or a correction.
        data_type = "text"
        words = text(fields, "comment") or as_text(fields.get("correction") or "")
    kept = {name: fields[name] for name in _KEPT if fields.get(name) is not None}
    return checked(
        Score(
            project=origin.project,
            id=_uuid(fields, "id"),
            target="span" if run_id else "trace" if trace else "session",
            trace_id=UUID(trace).hex if trace else "",
            span_id=span_id_of(run_id) if run_id else "",
            session="" if run_id or trace else session,
            name=text(fields, "key"),
            data_type=data_type,
            number=as_number,
            text=words,
            source=_SOURCES.get(text(object_in(fields, "feedback_source"), "type"), "code"),
            author=origin.key,
            door=origin.door,
            comment=text(fields, "comment"),
            metadata=json.encode({_BESIDE: kept}).decode(),
            at_ns=moment_ns(fields.get("created_at")) or now_ns,
        )
    )


def merged(score: Score, changes: Fields) -> Fields:
    """The feedback that a score came from, with changes put to it; what is null there is cleared."""
    shown = shown_feedback(score)
    return {**shown, **{name: changes[name] for name in ("score", "value", "comment", "correction") if name in changes}}


def shown_feedback(score: Score) -> dict[str, object]:
    """A score as LangSmith's API shows it."""
    beside = object_in(json.decode(score.metadata, type=dict[str, object]), _BESIDE)
    value: object = score.number
    if score.data_type == "boolean":
        value = score.number == 1
    at = moment(score.at_ns)
    return {
        "id": _as_uuid(score.id),
        "created_at": at,
        "modified_at": moment(score.created_ns) if score.created_ns else at,
        "key": score.name,
        "score": value,
        "value": beside.get("value", score.text or None),
        "comment": score.comment or None,
        "correction": beside.get("correction"),
        "run_id": beside.get("run_id"),
        "trace_id": beside.get("trace_id") or (_as_uuid(score.trace_id) if score.trace_id else None),
        "session_id": beside.get("session_id"),
        "feedback_source": beside.get("feedback_source") or {"type": _TYPES[score.source], "metadata": {}},
        "extra": beside.get("extra"),
    }


def _uuid(fields: Mapping[str, object], name: str) -> str:
    said = text(fields, name)
    try:
        return str(UUID(said)) if said else ""
    except ValueError:
        raise BadRequest(f"feedback's {name} is a UUID, and {said[:64]!r} is none", param=name) from None


def _as_uuid(id: str) -> str:
    """An id in the form of one; another tool's score has another id."""
    try:
        return str(UUID(id))
    except ValueError:
        return id
