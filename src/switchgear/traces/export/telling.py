"""A span that is kept as others are told it: in the words of OpenTelemetry's GenAI conventions, and in our own.

Our own words (``conventions/switchgear.py``) are for what the others have none for, so that a span that comes back is
as it was. Without content goes nothing that somebody wrote freely: no messages, no texts among the attributes of its
sender, no status message.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import json

from switchgear.kernel.chat import Usage
from switchgear.kernel.span import OTEL_KIND, Content, Span, SpanEvent, ToldSpan

Attributes = dict[str, object]

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name",),
    "request_model": ("gen_ai.request.model",),
    "model": ("gen_ai.response.model",),
    "tool_name": ("gen_ai.tool.name",),
    "tool_call_id": ("gen_ai.tool.call.id",),
    "prompt_name": ("gen_ai.prompt.name", "switchgear.prompt.name"),
    "prompt_version": ("gen_ai.prompt.version", "switchgear.prompt.version"),
    "prompt_label": ("switchgear.prompt.label",),
    "session": ("gen_ai.conversation.id", "switchgear.session"),
    "user": ("user.id", "switchgear.user"),
    "kind": ("switchgear.kind",),
    "level": ("switchgear.level",),
    "trace_name": ("switchgear.trace.name",),
    "environment": ("switchgear.environment",),
    "release": ("switchgear.release",),
    "key": ("switchgear.key",),
    "route": ("switchgear.route",),
    "call_id": ("switchgear.call.id",),
    "cache": ("switchgear.cache",),
}
_BUCKETS: Final[Mapping[str, tuple[str, ...]]] = {
    "cache_read": ("gen_ai.usage.cache_read.input_tokens", "switchgear.usage.cache_read"),
    "cache_write_5m": ("switchgear.usage.cache_write_5m",),
    "cache_write_1h": ("switchgear.usage.cache_write_1h",),
    "reasoning": ("gen_ai.usage.reasoning.output_tokens", "switchgear.usage.reasoning"),
    "audio_input": ("gen_ai.usage.audio.input_tokens", "switchgear.usage.audio_input"),
    "audio_output": ("gen_ai.usage.audio.output_tokens", "switchgear.usage.audio_output"),
    "image_input": ("gen_ai.usage.image.input_tokens", "switchgear.usage.image_input"),
}
_HARMLESS: Final = frozenset(("error.type", OTEL_KIND))
_OF_CLIENTS: Final = frozenset(("llm", "embedding", "rerank"))
"""Kinds whose spans the conventions want to be a client's, where their sender did not say otherwise."""
_NANOSECONDS: Final = 1e9


def told(span: Span, *, with_content: bool) -> ToldSpan:
    """The span as it goes out."""
    name, at, version = span.scope.rpartition("@")
    resource: Attributes = dict(span.resource if with_content else _plain(span.resource))
    if span.service:
        resource["service.name"] = span.service
    return ToldSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        started_ns=span.started_ns,
        ended_ns=span.ended_ns,
        status=span.status,
        status_message=span.status_message if with_content else "",
        attributes=_attributes(span, with_content=with_content),
        events=tuple(event if with_content else _bare(event) for event in span.events),
        resource=resource,
        scope_name=name if at else span.scope,
        scope_version=version if at else "",
    )


def _attributes(span: Span, *, with_content: bool) -> Attributes:
    found: Attributes = dict(span.attributes if with_content else _plain(span.attributes))
    if span.kind in _OF_CLIENTS:
        found.setdefault(OTEL_KIND, "client")
    for field, names in _WORDS.items():
        if value := getattr(span, field):
            found.update(dict.fromkeys(names, value))
    if span.finish:
        found["gen_ai.response.finish_reasons"] = [span.finish]
    found.update(_labels(span))
    found["switchgear.counted"] = span.counted
    if span.cost_nano_usd is not None:
        found["switchgear.cost.nano_usd"] = span.cost_nano_usd
    if span.first_token_ns:
        found["switchgear.first_token.ns"] = span.first_token_ns
        found["gen_ai.response.time_to_first_chunk"] = span.first_token_ns / _NANOSECONDS
    if span.usage is not None:
        found.update(_tokens(span.usage))
    if with_content:
        found.update(_said(span, "input", span.input))
        found.update(_said(span, "output", span.output))
    return found


def _labels(span: Span) -> Attributes:
    found: Attributes = {f"switchgear.metadata.{name}": value for name, value in span.metadata.items()}
    return {**found, "switchgear.tags": list(span.tags)} if span.tags else found


def _tokens(usage: Usage) -> Attributes:
    """The conventions' totals, which hold their parts, and our buckets, of which none holds another."""
    found: Attributes = {
        "gen_ai.usage.input_tokens": usage.total_input,
        "gen_ai.usage.output_tokens": usage.total_output,
        "switchgear.usage.input": usage.input,
        "switchgear.usage.output": usage.output,
    }
    for bucket, names in _BUCKETS.items():
        if count := getattr(usage, bucket):
            found.update(dict.fromkeys(names, count))
    if written := usage.cache_write_5m + usage.cache_write_1h:
        found["gen_ai.usage.cache_write.input_tokens"] = written
    return found


def _said(span: Span, side: str, content: Content) -> Attributes:
    """What went in or came out, as JSON."""
    if not content.parts:
        return {}
    if content.is_messages:
        return {f"gen_ai.{side}.messages": f"[{b','.join(content.parts).decode()}]"}
    value = _text(content.parts[0])
    if span.kind == "tool":
        return {f"gen_ai.tool.call.{'arguments' if side == 'input' else 'result'}": value}
    return {f"switchgear.{side}": value}


def _text(part: bytes) -> str:
    """A text as it is, all else as JSON."""
    value: object = json.decode(part) if part.startswith(b'"') else None
    return value if isinstance(value, str) else part.decode()


def _plain(attributes: Mapping[str, object]) -> Attributes:
    """Numbers, and the kinds of a span and of an error: what cannot hold what somebody said."""
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, int | float) or (name in _HARMLESS and isinstance(value, str))
    }


def _bare(event: SpanEvent) -> SpanEvent:
    return SpanEvent(name=event.name, at_ns=event.at_ns, attributes=_plain(event.attributes))
