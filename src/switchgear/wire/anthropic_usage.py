"""Anthropic's token counts and stop reasons, both ways.

``input_tokens`` excludes what the cache served or took, so the counts are disjoint but for thinking, which
``output_tokens`` includes. Within a stream a later count replaces an earlier one; what is not counted again stays.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from switchgear.kernel.chat import Finish, Usage

_FINISHES: Final[dict[str, Finish]] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "model_context_window_exceeded": "context_length",
}
_REASONS: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "context_length": "model_context_window_exceeded",
}
_TIERS: Final = {"standard": "default"}
_WIRE_TIERS: Final = {"default": "standard"}


class CacheCreation(Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(Struct):
    thinking_tokens: int | None = None


class WireUsage(Struct):
    """``usage`` of a message, of ``message_start``, and of ``message_delta``, where most is absent."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None
    estimated: bool | None = None
    """This gateway's own mark for counts that no model reported."""


def merged_usage(earlier: WireUsage | None, later: WireUsage) -> WireUsage:
    """``later`` over ``earlier``: counts are cumulative, so they replace and are never added up."""
    if earlier is None:
        return later
    said = {name: value for name, value in asdict(later).items() if value is not None}
    merged = WireUsage(**(asdict(earlier) | said))
    if later.input_tokens is not None:
        merged.estimated = later.estimated
    return merged


def read_usage(wire: WireUsage) -> Usage:
    """Disjoint buckets, never below 0. Cache writes without a time to live are of five minutes, the default."""
    splits = wire.cache_creation or CacheCreation()
    written_1h = _count(splits.ephemeral_1h_input_tokens)
    written = max(_count(wire.cache_creation_input_tokens), written_1h + _count(splits.ephemeral_5m_input_tokens))
    answered = _count(wire.output_tokens)
    details = wire.output_tokens_details
    thought = 0 if details is None else min(_count(details.thinking_tokens), answered)
    return Usage(
        input=_count(wire.input_tokens),
        cache_read=_count(wire.cache_read_input_tokens),
        cache_write_5m=written - written_1h,
        cache_write_1h=written_1h,
        output=answered - thought,
        reasoning=thought,
        estimated=wire.estimated is True,
    )


def write_usage(usage: Usage, service_tier: str | None = None) -> dict[str, object]:
    """Anthropic's counts; sound and images have no count of their own there and are part of the input and output."""
    written: dict[str, object] = {
        "input_tokens": usage.input + usage.audio_input + usage.image_input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.total_output,
    }
    if usage.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if service_tier is not None:
        written["service_tier"] = _WIRE_TIERS.get(service_tier, service_tier)
    if usage.estimated:
        written["estimated"] = True
    return written


def read_tier(wire: WireUsage | None) -> str | None:
    """The canonical name of the tier that answered; ``standard`` is what others call ``default``."""
    if wire is None or wire.service_tier is None:
        return None
    return _TIERS.get(wire.service_tier, wire.service_tier)


def read_finish(reason: str) -> Finish:
    """The canonical finish; a reason nobody knows is a stop."""
    return _FINISHES.get(reason, "stop")


def write_finish(finish: Finish) -> str:
    return _REASONS[finish]


def _count(value: int | None) -> int:
    return max(value or 0, 0)
