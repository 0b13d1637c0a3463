"""What accounting reads of OpenAI's answers: token counts and finish reasons, both ways, and both at a glance.

OpenAI's counts overlap: ``prompt_tokens`` includes what was cached, written to the cache, heard and seen,
``completion_tokens`` includes reasoning and speech. The canonical buckets are disjoint.
"""

from collections.abc import Callable
from typing import Final

from msgspec import DecodeError, Raw, Struct, json

from switchgear.kernel.chat import Finish, Usage
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.json_body import ABSENT, decode_answer, said
from switchgear.wire.openai_errors import read_stream_error

_FINISHES: Final[dict[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_REASONS: Final[dict[Finish, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
}


class CacheWrites(Struct, omit_defaults=True):
    """How the written cache tokens split by time to live; an extension that gateways share."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class PromptDetails(Struct, omit_defaults=True):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_token_details: CacheWrites | None = None


class CompletionDetails(Struct, omit_defaults=True):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class WireUsage(Struct, omit_defaults=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for ``cached_tokens``."""
    estimated: bool | None = None
    """This gateway's own mark for counts that no model reported."""


def _count(value: int | None) -> int:
    return max(value or 0, 0)


def read_usage(wire: WireUsage) -> Usage:
    """Disjoint buckets; a part that is larger than its whole leaves the whole's remainder at 0, never below."""
    if wire.prompt_tokens_details is wire.completion_tokens_details is wire.prompt_cache_hit_tokens is None:
        return Usage(
            input=_count(wire.prompt_tokens), output=_count(wire.completion_tokens), estimated=wire.estimated is True
        )
    prompt = wire.prompt_tokens_details or PromptDetails()
    answer = wire.completion_tokens_details or CompletionDetails()
    written = _count(prompt.cache_write_tokens)
    splits = prompt.cache_creation_token_details or CacheWrites()
    written_1h = min(_count(splits.ephemeral_1h_input_tokens), written)
    cached = _count(prompt.cached_tokens) or _count(wire.prompt_cache_hit_tokens)
    heard, seen = _count(prompt.audio_tokens), _count(prompt.image_tokens)
    reasoning, spoken = _count(answer.reasoning_tokens), _count(answer.audio_tokens)
    asked, answered = _count(wire.prompt_tokens), _count(wire.completion_tokens)
    # xAI and Gemini leave reasoning out of completion_tokens; only the total tells.
    reasoning_apart = reasoning > 0 and _count(wire.total_tokens) == asked + answered + reasoning
    return Usage(
        input=max(asked - cached - written - heard - seen, 0),
        cache_read=cached,
        cache_write_5m=written - written_1h,
        cache_write_1h=written_1h,
        output=max(answered - spoken - (0 if reasoning_apart else reasoning), 0),
        reasoning=reasoning,
        audio_input=heard,
        audio_output=spoken,
        image_input=seen,
        estimated=wire.estimated is True,
    )


def write_usage(usage: Usage) -> WireUsage:
    """OpenAI's overlapping counts, with the details that OpenAI always gives and the extensions only when not 0."""
    written = usage.cache_write_5m + usage.cache_write_1h
    by_ttl = CacheWrites(ephemeral_5m_input_tokens=usage.cache_write_5m, ephemeral_1h_input_tokens=usage.cache_write_1h)
    return WireUsage(
        prompt_tokens=usage.total_input,
        completion_tokens=usage.total_output,
        total_tokens=usage.total_input + usage.total_output,
        prompt_tokens_details=PromptDetails(
            cached_tokens=usage.cache_read,
            audio_tokens=usage.audio_input,
            image_tokens=usage.image_input or None,
            cache_write_tokens=written or None,
            cache_creation_token_details=by_ttl if usage.cache_write_1h else None,
        ),
        completion_tokens_details=CompletionDetails(reasoning_tokens=usage.reasoning, audio_tokens=usage.audio_output),
        estimated=True if usage.estimated else None,
    )


def read_finish(reason: str, stop_sequence: str | None = None, *, calls: bool = False) -> Finish:
    """The canonical finish; a reason nobody knows is a stop.

    vLLM's stop string makes it a stop sequence. A call that was demanded by its name ends in a stop here, and in every
    other dialect in calls.
    """
    finish = _FINISHES.get(reason, "stop")
    if finish != "stop":
        return finish
    if stop_sequence is not None:
        return "stop_sequence"
    return "tool_calls" if calls else "stop"


def write_finish(finish: Finish) -> str:
    """The nearest of OpenAI's finish reasons."""
    return _REASONS[finish]


def read_stop_sequence(*reasons: str | int | None) -> str | None:
    """The stop string among what servers say of why they stopped; a token id is none."""
    for reason in reasons:
        if isinstance(reason, str):
            return reason
    return None


class _Finished(Struct):
    finish_reason: str | None = None
    stop_reason: str | int | None = None


class _Glance(Struct):
    choices: list[_Finished] | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT
    object: str | None = None
    service_tier: str | None = None


_READ_GLANCE: Final = json.Decoder(_Glance).decode


def glance(body: bytes, content_bytes: Callable[[bytes], int]) -> Tally:
    """Usage and finish; ``content_bytes`` measures the answer of an upstream that reports no usage."""
    try:
        seen = _READ_GLANCE(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        seen = decode_answer(_Glance, body)
    if seen.error is not ABSENT or seen.object == "error":
        refuse_error(seen.error, seen.object, body)
    if seen.choices is None:
        raise UpstreamGarbled("the upstream's answer has no choices")
    finish: Finish | None = None
    if seen.choices and (reason := seen.choices[0].finish_reason) is not None:
        finish = read_finish(reason, read_stop_sequence(seen.choices[0].stop_reason))
    usage = None if seen.usage is None else read_usage(seen.usage)
    return Tally(
        usage=usage,
        finish=finish,
        service=seen.service_tier,
        content_bytes=0 if usage else content_bytes(body),
        complete=True,
    )


def refuse_disguised(body: bytes) -> None:
    """Raise UpstreamRefused for an error under status 200, UpstreamGarbled for what is no answer at all."""
    seen = decode_answer(_Glance, body)
    refuse_error(seen.error, seen.object, body)


def refuse_error(error: Raw, kind: str | None, body: bytes) -> None:
    """Raise UpstreamRefused when an answer under status 200 is really an error."""
    if kind == "error" or said(error) is not None:
        raise read_stream_error(json.decode(body, type=dict[str, object]))
