"""Spans as Phoenix' REST API has them: one JSON object each, with OpenInference's attributes."""

from collections.abc import Mapping
from typing import Final, cast

from msgspec import json

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.span import Content, Span, SpanEvent, SpanStatus, ToldSpan
from switchgear.rest.written import moment
from switchgear.traces.doors.reading import an_object, moment_ns, text
from switchgear.traces.drafts import object_in

_STATUSES: Final[Mapping[str, SpanStatus]] = {"OK": "ok", "ERROR": "error", "UNSET": "unset"}
_KIND: Final = "openinference.span.kind"
_KINDS: Final = {"rerank": "RERANKER", "retrieval": "RETRIEVER", "span": "UNKNOWN", "event": "UNKNOWN"}


def read_span(value: object, sender_project: str) -> ToldSpan:
    """A span. Raises BadRequest."""
    fields = an_object(value, "the span")
    context = object_in(fields, "context")
    name, code = text(fields, "name"), text(fields, "status_code") or "UNSET"
    started_ns, ended_ns = moment_ns(fields.get("start_time")), moment_ns(fields.get("end_time"))
    if not name:
        raise BadRequest("a span has a name")
    if started_ns is None or ended_ns is None:
        raise BadRequest("start_time and end_time are moments in ISO 8601")
    if code not in _STATUSES:
        raise BadRequest(f"status_code is one of {', '.join(_STATUSES)}, not {code[:40]!r}")
    attributes = flat(object_in(fields, "attributes"))
    if kind := text(fields, "span_kind"):
        attributes.setdefault(_KIND, kind)
    return ToldSpan(
        trace_id=text(context, "trace_id").lower(),
        span_id=text(context, "span_id").lower(),
        parent_id=text(fields, "parent_id").lower(),
        name=name,
        started_ns=started_ns,
        ended_ns=ended_ns,
        status=_STATUSES[code],
        status_message=text(fields, "status_message"),
        attributes=attributes,
        events=_events(fields.get("events")),
        resource={"openinference.project.name": sender_project},
    )


def flat(attributes: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Attributes by their whole names, however deep they were nested; lists of objects are numbered."""
    found: dict[str, object] = {}
    for name, value in attributes.items():
        if isinstance(value, dict) and value and name != "metadata":
            found |= flat(cast("dict[str, object]", value), f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in cast("list[object]", value)):
            numbered = {str(place): each for place, each in enumerate(cast("list[object]", value))}
            found |= flat(numbered, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.encode(value).decode() if isinstance(value, dict) else value
    return found


def _events(value: object) -> tuple[SpanEvent, ...]:
    found: list[SpanEvent] = []
    for event in cast("list[object]", value) if isinstance(value, list) else []:
        fields = cast("dict[str, object]", event) if isinstance(event, dict) else {}
        at_ns = moment_ns(fields.get("timestamp"))
        if at_ns is not None and (name := text(fields, "name")):
            found.append(SpanEvent(name=name, at_ns=at_ns, attributes=object_in(fields, "attributes")))
    return tuple(found)


def shown_span(span: Span) -> dict[str, object]:
    """A span as Phoenix' API shows it."""
    attributes = dict(span.attributes)
    for name, content in (("input", span.input), ("output", span.output)):
        if content.parts and f"{name}.value" not in attributes:
            attributes[f"{name}.value"] = _value(content)
    kind = attributes.get(_KIND)
    return {
        "id": span.span_id,
        "name": span.name,
        "context": {"trace_id": span.trace_id, "span_id": span.span_id},
        "span_kind": kind if isinstance(kind, str) else _KINDS.get(span.kind, span.kind.upper()),
        "parent_id": span.parent_id or None,
        "start_time": moment(span.started_ns),
        "end_time": moment(span.ended_ns),
        "status_code": span.status.upper(),
        "status_message": span.status_message,
        "attributes": attributes,
        "events": [
            {"name": event.name, "timestamp": moment(event.at_ns), "attributes": event.attributes}
            for event in span.events
        ],
    }


def _value(content: Content) -> str:
    if content.is_messages:
        return f"[{','.join(part.decode('utf-8', 'replace') for part in content.parts)}]"
    return content.parts[0].decode("utf-8", "replace")
