"""Converse's token counts and stop reasons, both ways.

``inputTokens`` excludes what the cache served or took: all input is ``inputTokens`` + ``cacheReadInputTokens`` +
``cacheWriteInputTokens`` (docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html). Thinking is part of
``outputTokens`` and is not told apart.
"""

from typing import Final

from msgspec import Struct

from switchgear.kernel.chat import Finish, Usage

_FINISHES: Final[dict[str, Finish]] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "model_context_window_exceeded": "context_length",
}
_REASONS: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
    "context_length": "model_context_window_exceeded",
}


class CacheDetail(Struct, rename="camel"):
    ttl: str = ""
    input_tokens: int | None = None


class WireUsage(Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None
    estimated: bool | None = None
    """This gateway's own mark for counts that no model reported."""


def read_usage(wire: WireUsage) -> Usage:
    """Disjoint buckets, never below 0. Cache writes without a time to live are of five minutes, the default."""
    details = wire.cache_details or []
    written_1h = sum(_count(detail.input_tokens) for detail in details if detail.ttl == "1h")
    written_5m = sum(_count(detail.input_tokens) for detail in details if detail.ttl != "1h")
    written = max(_count(wire.cache_write_input_tokens), written_1h + written_5m)
    return Usage(
        input=_count(wire.input_tokens),
        cache_read=_count(wire.cache_read_input_tokens),
        cache_write_5m=written - written_1h,
        cache_write_1h=written_1h,
        output=_count(wire.output_tokens),
        estimated=wire.estimated is True,
    )


def write_usage(usage: Usage) -> dict[str, object]:
    """Converse's counts; sound and images have no count of their own there and are part of the input and output."""
    written = {"1h": usage.cache_write_1h, "5m": usage.cache_write_5m}
    counts: dict[str, object] = {
        "inputTokens": usage.input + usage.audio_input + usage.image_input,
        "outputTokens": usage.total_output,
        "totalTokens": usage.total_input + usage.total_output,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": usage.cache_write_1h + usage.cache_write_5m,
    }
    details = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written.items() if tokens]
    if details:
        counts["cacheDetails"] = details
    if usage.estimated:
        counts["estimated"] = True
    return counts


def read_finish(reason: str) -> Finish:
    """The canonical finish; a reason nobody knows is a stop."""
    return _FINISHES.get(reason, "stop")


def write_finish(finish: Finish) -> str:
    return _REASONS[finish]


def _count(value: int | None) -> int:
    return max(value or 0, 0)
