"""Langfuse's scores as ours, and ours as Langfuse's."""

from collections.abc import Mapping
from typing import Final

from msgspec import json

from switchgear.kernel.errors import BadRequest
from switchgear.rest.written import moment
from switchgear.traces.doors.langfuse_ids import span_id, trace_id
from switchgear.traces.doors.reading import as_text, moment_ns, number, text
from switchgear.traces.drafts import object_in
from switchgear.traces.intake import Origin
from switchgear.traces.scores.model import DataType, Score, Source, Target, checked

_TYPES: Final[Mapping[str, DataType]] = {
    "NUMERIC": "numeric",
    "CATEGORICAL": "categorical",
    "BOOLEAN": "boolean",
    "TEXT": "text",
    "CORRECTION": "text",
}
_SOURCES: Final[Mapping[str, Source]] = {"API": "code", "ANNOTATION": "human", "EVAL": "judge"}
_KEPT_BESIDE: Final = ("configId", "queueId", "datasetRunId")
_BESIDE: Final = "langfuse"


def read_score(fields: Mapping[str, object], origin: Origin, fresh_id: str, now_ns: int) -> Score:
    """A score that can be kept. Raises BadRequest."""
    value = fields.get("value")
    data_type = _data_type(fields, value)
    as_number = number(value)
    if data_type in ("categorical", "text") and not isinstance(value, str):
        raise BadRequest(f"a score of type {data_type} takes a text as its value")
    target = _target(fields)
    return checked(
        Score(
            project=origin.project,
            id=text(fields, "id") or fresh_id,
            target=target,
            trace_id=trace_id(text(fields, "traceId")),
            span_id=span_id(text(fields, "observationId")),
            session=text(fields, "sessionId") or (text(fields, "datasetRunId") if target == "session" else ""),
            name=text(fields, "name"),
            data_type=data_type,
            number=as_number,
            text=value if isinstance(value, str) else "",
            source=_SOURCES.get(text(fields, "source"), "code"),
            author=origin.key,
            door=origin.door,
            environment=text(fields, "environment"),
            comment=text(fields, "comment"),
            metadata=_metadata(fields),
            at_ns=moment_ns(fields.get("timestamp")) or now_ns,
        )
    )


def _data_type(fields: Mapping[str, object], value: object) -> DataType:
    said = text(fields, "dataType")
    if not said:
        return "categorical" if isinstance(value, str) else "numeric"
    if said not in _TYPES:
        raise BadRequest(f"dataType is one of {', '.join(_TYPES)}, not {said[:40]!r}")
    return _TYPES[said]


def _target(fields: Mapping[str, object]) -> Target:
    if text(fields, "observationId"):
        return "span"
    return "trace" if text(fields, "traceId") else "session"


def _metadata(fields: Mapping[str, object]) -> str:
    said = fields.get("metadata")
    members = {"metadata": said} if said is not None and not isinstance(said, dict) else object_in(fields, "metadata")
    beside = {name: fields[name] for name in _KEPT_BESIDE if fields.get(name)}
    return as_text({**members, **({_BESIDE: beside} if beside else {})})


def shown_score(score: Score) -> dict[str, object]:
    """A score as version 3 of Langfuse's API shows it, with what version 2 calls differently beside it."""
    metadata = json.decode(score.metadata, type=dict[str, object])
    beside = object_in(metadata, _BESIDE)
    metadata.pop(_BESIDE, None)
    at = moment(score.at_ns)
    value: object = score.text
    if score.data_type == "boolean":
        value = score.number == 1
    elif score.data_type == "numeric":
        value = score.number
    return {
        "id": score.id,
        "projectId": score.project,
        "name": score.name,
        "source": next((theirs for theirs, ours in _SOURCES.items() if ours == score.source), "API"),
        "dataType": score.data_type.upper(),
        "value": value,
        "comment": score.comment or None,
        "metadata": metadata,
        "environment": score.environment or "default",
        "timestamp": at,
        "createdAt": at if not score.created_ns else moment(score.created_ns),
        "updatedAt": at if not score.created_ns else moment(score.created_ns),
        "authorUserId": None,
        "subject": _subject(score),
        "configId": None,
        "queueId": None,
        **beside,
    }


def shown_score_v2(score: Score) -> dict[str, object]:
    """The same as versions 1 and 2 show it: a number, with the words beside it."""
    shown = shown_score(score)
    words = score.text
    if score.data_type == "boolean":
        words = "True" if score.number == 1 else "False"
    of = {"traceId": score.trace_id or None, "observationId": score.span_id or None, "sessionId": score.session or None}
    return {**shown, **of, "value": score.number or 0, "stringValue": words or None}


def _subject(score: Score) -> dict[str, object]:
    if score.target == "span":
        return {"kind": "observation", "id": score.span_id, "traceId": score.trace_id or None}
    if score.target == "trace":
        return {"kind": "trace", "id": score.trace_id}
    return {"kind": "session", "id": score.session}
