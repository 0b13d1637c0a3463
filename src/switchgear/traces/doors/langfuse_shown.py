"""Spans and traces as Langfuse's API shows them: observations, of two versions, and traces."""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from msgspec import MsgspecError, json

from switchgear.kernel.chat import Usage
from switchgear.kernel.query import TraceRow
from switchgear.kernel.span import Content, Span
from switchgear.rest.written import moment
from switchgear.traces.conventions.langfuse import VERSION
from switchgear.traces.doors.langfuse_events import WHOLE_TRACE
from switchgear.traces.doors.reading import as_text

TYPES: Final[Mapping[str, str]] = {
    "llm": "GENERATION",
    "embedding": "EMBEDDING",
    "retrieval": "RETRIEVER",
    "rerank": "RETRIEVER",
    "tool": "TOOL",
    "agent": "AGENT",
    "chain": "CHAIN",
    "guardrail": "GUARDRAIL",
    "evaluator": "EVALUATOR",
    "event": "EVENT",
    "prompt": "SPAN",
    "span": "SPAN",
}
"""Langfuse's types of observations, by our kinds."""
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "core": ("id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type"),
    "basic": (
        *("name", "level", "statusMessage", "version", "environment", "bookmarked", "public", "userId", "sessionId"),
        "isRootObservation",
    ),
    "time": ("completionStartTime",),
    "io": ("input", "output"),
    "metadata": ("metadata",),
    "model": ("model", "providedModelName", "internalModelId", "modelParameters"),
    "usage": ("usageDetails", "costDetails", "totalCost"),
    "prompt": ("promptId", "promptName", "promptVersion"),
    "metrics": ("latency", "timeToFirstToken"),
    "trace_context": ("tags", "release", "traceName"),
}
"""What version 2 shows of an observation, by the names of groups of fields."""
_PARAMETERS: Final = "langfuse.observation.model.parameters"
_ASKED_FOR: Final = "gen_ai.request."
_NOT_PARAMETERS: Final = ("model", "stream")
_NANO: Final = 1e9


def observation(span: Span) -> dict[str, object]:
    """A span as version 1 shows it, with what version 2 has besides."""
    usage = span.usage or Usage()
    cost = None if span.cost_nano_usd is None else span.cost_nano_usd / _NANO
    first_token = span.started_ns + span.first_token_ns if span.first_token_ns else None
    return {
        "id": span.span_id,
        "traceId": span.trace_id,
        "projectId": span.project,
        "type": TYPES.get(span.kind, "SPAN"),
        "name": span.name,
        "startTime": moment(span.started_ns),
        "endTime": moment(span.ended_ns),
        "completionStartTime": None if first_token is None else moment(first_token),
        "model": span.model or span.request_model or None,
        "providedModelName": span.request_model or span.model or None,
        "internalModelId": None,
        "modelId": None,
        "modelParameters": _parameters(span.attributes),
        "input": _content(span.input),
        "output": _content(span.output, answer=True),
        "metadata": _metadata(span),
        "level": span.level or ("ERROR" if span.status == "error" else "DEFAULT"),
        "statusMessage": span.status_message or None,
        "parentObservationId": span.parent_id or None,
        "isRootObservation": not span.parent_id,
        "version": span.metadata.get(VERSION) or _word(span, VERSION),
        "release": span.release or None,
        "environment": span.environment or "default",
        "bookmarked": False,
        "public": span.attributes.get("langfuse.trace.public") is True,
        "userId": span.user or None,
        "sessionId": span.session or None,
        "tags": list(span.tags),
        "traceName": span.trace_name or None,
        "usage": {"input": usage.total_input, "output": usage.total_output, "unit": "TOKENS", "totalCost": cost}
        | {"total": usage.total_input + usage.total_output},
        "usageDetails": {} if span.usage is None else _details(usage),
        "costDetails": {} if cost is None else {"total": cost},
        "totalCost": cost,
        "calculatedTotalCost": cost,
        "promptId": None,
        "promptName": span.prompt_name or None,
        "promptVersion": int(span.prompt_version) if _is_number(span.prompt_version) else None,
        "latency": span.duration_ns / _NANO,
        "timeToFirstToken": span.first_token_ns / _NANO if span.first_token_ns else None,
    }


def observation_v2(span: Span, groups: Collection[str]) -> dict[str, object]:
    """A span as version 2 shows it: these groups of fields, what went in and came out as texts."""
    whole = observation(span)
    for name in ("input", "output"):
        whole[name] = None if whole[name] is None else as_text(whole[name])
    return {name: whole[name] for group in GROUPS if group in groups for name in GROUPS[group]}


def trace(row: TraceRow, project: str, first: Span | None) -> dict[str, object]:
    """A trace without its observations and scores; ``first`` is the span at its top, where that is known."""
    return {
        "id": row.trace_id,
        "projectId": project,
        "timestamp": moment(row.started_ns),
        "createdAt": moment(row.started_ns),
        "updatedAt": moment(row.ended_ns),
        "name": row.name or None,
        "input": None if first is None else _content(first.input),
        "output": None if first is None else _content(first.output, answer=True),
        "metadata": {} if first is None else _metadata(first),
        "sessionId": row.session or None,
        "userId": row.user or None,
        "release": row.release or None,
        "version": None if first is None else first.metadata.get(VERSION) or _word(first, VERSION),
        "environment": row.environment or "default",
        "tags": list(row.tags),
        "public": first is not None and first.attributes.get("langfuse.trace.public") is True,
        "bookmarked": False,
        "htmlPath": f"/api/v1/traces/{row.trace_id}?project={project}",
        "latency": (row.ended_ns - row.started_ns) / _NANO,
        "totalCost": row.cost_nano_usd / _NANO,
    }


def is_whole_trace(span: Span) -> bool:
    """Whether it stands for what an older SDK told of the trace, and is no observation of its own."""
    return span.attributes.get(WHOLE_TRACE) is True


def _details(usage: Usage) -> dict[str, int]:
    """Disjoint, and their sum."""
    parts = {
        "input": usage.input,
        "output": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "input_audio_tokens": usage.audio_input,
        "input_image_tokens": usage.image_input,
        "output_reasoning_tokens": usage.reasoning,
        "output_audio_tokens": usage.audio_output,
    }
    told = {name: count for name, count in parts.items() if count or name in ("input", "output")}
    return {**told, "total": sum(told.values())}


def _parameters(attributes: Mapping[str, object]) -> object:
    told = attributes.get(_PARAMETERS)
    if isinstance(told, str):
        return _opened(told)
    asked = {name[len(_ASKED_FOR) :]: value for name, value in attributes.items() if name.startswith(_ASKED_FOR)}
    return {name: value for name, value in asked.items() if name not in _NOT_PARAMETERS}


def _metadata(span: Span) -> dict[str, object]:
    return {name: _opened(value) for name, value in span.metadata.items() if name != VERSION}


def _opened(told: str) -> object:
    """An object or a list that was written as JSON; any other text as it is."""
    if told[:1] not in ("{", "["):
        return told
    try:
        return cast("object", json.decode(told))
    except (MsgspecError, RecursionError):
        return told


def _content(content: Content, *, answer: bool = False) -> object:
    """What went in or came out as a value: messages as most vendors write them, an answer of one as that one."""
    values = [_decoded(part) for part in content.parts]
    if not content.is_messages:
        return values[0] if values else None
    messages = [_message(cast("dict[str, Any]", each)) for each in values if isinstance(each, dict)]
    return messages[0] if answer and len(messages) == 1 else messages


def _message(told: dict[str, Any]) -> dict[str, object]:
    parts = cast("list[dict[str, Any]]", told.get("parts") or [])
    calls = [part for part in parts if part.get("type") == "tool_call"]
    rest = [part for part in parts if part.get("type") != "tool_call"]
    made: dict[str, object] = {"role": told.get("role")}
    if len(rest) == 1 and rest[0].get("type") == "tool_call_response":
        made["tool_call_id"] = rest[0].get("id")
        made["content"] = rest[0].get("result")
    elif all(part.get("type") == "text" for part in rest):
        made["content"] = "".join(str(part.get("content") or "") for part in rest) if rest else None
    else:
        made["content"] = rest
    if calls:
        made["tool_calls"] = [_call(part) for part in calls]
    return made if told.get("name") is None else {**made, "name": told["name"]}


def _call(part: dict[str, Any]) -> dict[str, object]:
    arguments = part.get("arguments")
    function = {"name": part.get("name"), "arguments": "" if arguments is None else as_text(arguments)}
    return {"id": part.get("id"), "type": "function", "function": function}


def _decoded(part: bytes) -> object:
    try:
        return cast("object", json.decode(part))
    except MsgspecError:
        return part.decode(errors="replace")


def _word(span: Span, attribute: str) -> str | None:
    told = span.attributes.get(attribute)
    return told if isinstance(told, str) and told else None


def _is_number(told: str) -> bool:
    return told.isascii() and told.isdigit() and len(told) < 10
