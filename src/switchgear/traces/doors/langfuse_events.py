"""Langfuse's older events: a trace and its observations, told in creations and updates, as spans.

A trace is a span of its own there, above the observations that name no parent. Attributes are those of Langfuse's
newer SDKs, so that one convention reads both.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import json

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.span import SpanStatus, ToldSpan
from switchgear.traces.doors.langfuse_ids import first_span_id, span_id, trace_id
from switchgear.traces.doors.reading import as_text, moment_ns, text
from switchgear.traces.drafts import Draft, Fields, Word, object_in

KINDS: Final = (
    *("trace", "observation", "span", "generation", "event", "agent", "tool", "chain", "retriever", "evaluator"),
    *("embedding", "guardrail"),
)
WHOLE_TRACE: Final = "langfuse.internal.whole_trace"
"""Attribute of a span that stands for a trace, which is no observation of Langfuse's."""
EVENTS: Final = frozenset(f"{kind}-{act}" for kind in KINDS for act in ("create", "update"))
"""Types of events that tell of a trace or an observation."""
STAYS: Final = frozenset(
    (
        *("id", "traceId", "parentObservationId", "userId", "sessionId", "type", "level", "public"),
        *("timestamp", "startTime", "endTime", "completionStartTime", "release", "version", "environment"),
        *("model", "promptName", "promptVersion", "usage", "usageDetails", "costDetails"),
    )
)
"""What masks leave of an event's body: where and whose it is, when it was, and what is counted."""
_KIND: Final = "type"
_TRACE: Final = "trace:"
_OF_TRACE: Final[Mapping[str, str]] = {
    "userId": "user.id",
    "sessionId": "session.id",
    "release": "langfuse.release",
    "version": "langfuse.version",
    "environment": "langfuse.environment",
    "public": "langfuse.trace.public",
}
_USAGE: Final[Mapping[str, str]] = {
    "promptTokens": "input",
    "completionTokens": "output",
    "totalTokens": "total",
    "prompt_tokens": "input",
    "completion_tokens": "output",
    "total_tokens": "total",
}
_CONTENTS: Final = ("input", "output", "metadata")
_COSTS: Final = {"inputCost": "input", "outputCost": "output", "totalCost": "total"}


def read_event(kind: str, body: Fields, said_ns: int) -> Word:
    """What an event says, said at ``said_ns``. Raises BadRequest."""
    what, _, act = kind.partition("-")
    name = text(body, "id")
    if not name:
        raise BadRequest(f"the body of {kind} has no id")
    if what == "trace":
        fields = {**body, _KIND: "trace", "timestamp": body.get("timestamp") or said_ns}
        return Word(id=f"{_TRACE}{name}", trace=name, fields=fields, rank=said_ns)
    fields = dict(body)
    if what != "observation":
        fields[_KIND] = what
    elif isinstance(fields.get(_KIND), str):
        fields[_KIND] = str(fields[_KIND]).lower()
    if act == "create":
        fields["startTime"] = fields.get("startTime") or said_ns
    # Without a trace an observation is one by itself, as Langfuse has it.
    return Word(id=name, trace=text(body, "traceId"), fields=fields, rank=said_ns)


def read_spans(drafts: Iterable[Draft]) -> list[ToldSpan]:
    """The spans that drafts tell, each trace's facts on all of them."""
    known = list(drafts)
    traces = {draft.trace: draft for draft in known if draft.id.startswith(_TRACE)}
    observations = [draft for draft in known if not draft.id.startswith(_TRACE)]
    found = [_observation(draft, traces.get(draft.trace)) for draft in observations]
    for name, draft in traces.items():
        found.append(_whole_trace(draft, [span for span in found if span.trace_id == trace_id(name)]))
    return [span for span in found if span.started_ns]


def _whole_trace(draft: Draft, below: Sequence[ToldSpan]) -> ToldSpan:
    fields = draft.fields
    started_ns = moment_ns(fields.get("timestamp")) or 0
    attributes = {**_of_trace(draft), "langfuse.observation.type": "span", "langfuse.internal.as_root": True}
    attributes[WHOLE_TRACE] = True
    for member in ("input", "output"):
        if fields.get(member) is not None:
            attributes[f"langfuse.observation.{member}"] = as_text(fields[member])
    return ToldSpan(
        trace_id=trace_id(draft.trace),
        span_id=first_span_id(draft.trace),
        name=text(fields, "name") or "trace",
        started_ns=min([started_ns, *(span.started_ns for span in below if span.started_ns)]),
        ended_ns=max([started_ns, *(span.ended_ns for span in below)]),
        attributes=attributes,
        scope_name="langfuse-sdk",
    )


def _observation(draft: Draft, trace: Draft | None) -> ToldSpan:
    fields = draft.fields
    trace_name = draft.trace or draft.id
    parent = span_id(text(fields, "parentObservationId"))
    started_ns = moment_ns(fields.get("startTime")) or moment_ns(fields.get("endTime")) or 0
    status: SpanStatus = "error" if fields.get("level") == "ERROR" else "unset"
    return ToldSpan(
        trace_id=trace_id(trace_name),
        span_id=span_id(draft.id),
        parent_id=parent or ("" if trace is None else first_span_id(draft.trace)),
        name=text(fields, "name") or text(fields, _KIND) or "observation",
        started_ns=started_ns,
        # While it runs it takes no time: its end takes this one's place.
        ended_ns=max(moment_ns(fields.get("endTime")) or started_ns, started_ns),
        status=status,
        status_message=text(fields, "statusMessage"),
        attributes=_attributes(fields, trace),
        scope_name="langfuse-sdk",
    )


def _of_trace(trace: Draft) -> dict[str, object]:
    fields = trace.fields
    found: dict[str, object] = {theirs: fields[ours] for ours, theirs in _OF_TRACE.items() if _given(fields.get(ours))}
    if name := text(fields, "name"):
        found["langfuse.trace.name"] = name
    if isinstance(fields.get("tags"), list):
        found["langfuse.trace.tags"] = fields["tags"]
    if fields.get("metadata") is not None:
        found["langfuse.trace.metadata"] = as_text(fields["metadata"])
    return found


def _attributes(fields: Fields, trace: Draft | None) -> dict[str, object]:
    found: dict[str, object] = {} if trace is None else _of_trace(trace)
    prefix = "langfuse.observation."
    found[f"{prefix}type"] = text(fields, _KIND) or "span"
    for ours, theirs in (("level", "level"), ("statusMessage", "status_message"), ("model", "model.name")):
        if value := text(fields, ours):
            found[f"{prefix}{theirs}"] = value
    for ours, theirs in (("promptName", "prompt.name"), ("promptVersion", "prompt.version")):
        if value := text(fields, ours):
            found[f"{prefix}{theirs}"] = int(value) if value.isdigit() and len(value) < 10 else value
    for ours, theirs in (*((name, name) for name in _CONTENTS), ("modelParameters", "model.parameters")):
        if fields.get(ours) is not None:
            found[f"{prefix}{theirs}"] = as_text(fields[ours])
    if value := text(fields, "completionStartTime"):
        found[f"{prefix}completion_start_time"] = value
    own = {f"langfuse.{name}": text(fields, name) for name in ("environment", "version")}
    found |= {name: value for name, value in own.items() if value}
    return {**found, **_counts(fields)}


def _counts(fields: Fields) -> dict[str, object]:
    """Usage and costs, in the words of today's SDKs."""
    old = object_in(fields, "usage")
    tokens: Fields = {}
    for name, value in old.items():
        if name in ("input", "output", "total") or name in _USAGE:
            tokens[_USAGE.get(name, name)] = value
    if details := object_in(fields, "usageDetails"):
        tokens = {_USAGE.get(name, name): value for name, value in details.items()}
    costs: Fields = {theirs: old[ours] for ours, theirs in _COSTS.items() if _given(old.get(ours))}
    costs = object_in(fields, "costDetails") or costs
    found: dict[str, object] = {}
    for name, values in (("usage_details", tokens), ("cost_details", costs)):
        given = {key: value for key, value in values.items() if _given(value)}
        if given:
            found[f"langfuse.observation.{name}"] = json.encode(given).decode()
    return found


def _given(value: object) -> bool:
    return value is not None and value != ""
