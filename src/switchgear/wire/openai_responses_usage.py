"""What accounting reads of OpenAI's Responses API: token counts, how an answer ended, and failures, both ways.

The counts overlap as they do for chat completions: ``input_tokens`` includes what was cached and what was written to
the cache, ``output_tokens`` includes reasoning (platform.openai.com/docs/guides/reasoning). The canonical buckets are
disjoint. A cache entry lives 30 minutes or 12 hours here; the canonical buckets are the shorter and the longer life.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Finish, Usage
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import openai_usage
from switchgear.wire.json_body import as_object
from switchgear.wire.openai_errors import error_type
from switchgear.wire.openai_usage import CacheWrites, CompletionDetails, PromptDetails

_FINISHES: Final[Mapping[str, Finish]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_STATUSES: Final = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "service_unavailable_error": 503,
    "vector_store_timeout": 504,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "data_residency_mismatch": 400,
}
"""The status that goes with a code or type, where no HTTP status says it; the codes for images are the caller's."""
_IMAGES: Final = "image"
_NO_STATUS: Final = 502


class CacheWriteLives(Struct, omit_defaults=True):
    ttl_30m_tokens: int | None = None
    ttl_12h_tokens: int | None = None


class InputDetails(Struct, omit_defaults=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: CacheWriteLives | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class OutputDetails(Struct, omit_defaults=True):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class WireUsage(Struct, omit_defaults=True):
    input_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    total_tokens: int | None = None
    estimated: bool | None = None
    """This gateway's own mark for counts that no model reported."""


class Incomplete(Struct):
    reason: str | None = None


class WireError(Struct):
    """``error`` of a failed response, or of an ``error`` event, which has the same members at its top as well."""

    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    type: str | None = None


def read_usage(wire: WireUsage) -> Usage:
    """Disjoint buckets, by the rules for chat completions."""
    read = wire.input_tokens_details or InputDetails()
    said = wire.output_tokens_details or OutputDetails()
    lives = read.cache_write_tokens_details or CacheWriteLives()
    return openai_usage.read_usage(
        openai_usage.WireUsage(
            prompt_tokens=wire.input_tokens,
            completion_tokens=wire.output_tokens,
            total_tokens=wire.total_tokens,
            prompt_tokens_details=PromptDetails(
                cached_tokens=read.cached_tokens,
                audio_tokens=read.audio_tokens,
                image_tokens=read.image_tokens,
                cache_write_tokens=read.cache_write_tokens,
                cache_creation_token_details=CacheWrites(ephemeral_1h_input_tokens=lives.ttl_12h_tokens),
            ),
            completion_tokens_details=CompletionDetails(
                reasoning_tokens=said.reasoning_tokens, audio_tokens=said.audio_tokens
            ),
            estimated=wire.estimated,
        )
    )


def write_usage(usage: Usage) -> WireUsage:
    """The overlapping counts, with the details that the SDKs type as always there; others only when not 0."""
    written = usage.cache_write_5m + usage.cache_write_1h
    lives = CacheWriteLives(ttl_30m_tokens=usage.cache_write_5m, ttl_12h_tokens=usage.cache_write_1h)
    return WireUsage(
        input_tokens=usage.total_input,
        input_tokens_details=InputDetails(
            cached_tokens=usage.cache_read,
            cache_write_tokens=written,
            cache_write_tokens_details=lives if usage.cache_write_1h else None,
            audio_tokens=usage.audio_input or None,
            image_tokens=usage.image_input or None,
        ),
        output_tokens=usage.total_output,
        output_tokens_details=OutputDetails(reasoning_tokens=usage.reasoning, audio_tokens=usage.audio_output or None),
        total_tokens=usage.total_input + usage.total_output,
        estimated=True if usage.estimated else None,
    )


def read_finish(status: str, incomplete: Incomplete | None, *, calls: bool) -> Finish | None:
    """How a response ended; None while it has not. vLLM ends the stream of an incomplete one as completed."""
    reason = (incomplete or Incomplete()).reason
    if status == "incomplete" or reason:
        return _FINISHES.get(reason or "", "length")
    if status != "completed":
        return None
    return "tool_calls" if calls else "stop"


def write_finish(finish: Finish | None, *, refused: bool) -> tuple[str, str | None]:
    """The status, and why the response is incomplete; a refusal that the answer itself spells out is complete."""
    if finish in ("length", "context_length"):
        return "incomplete", "max_output_tokens"
    if finish == "content_filter" or (finish == "refusal" and not refused):
        return "incomplete", "content_filter"
    return "completed", None


def read_failure(error: WireError | None) -> UpstreamRefused:
    """A failure that came under status 200: its code tells the status."""
    found = error or WireError()
    code = None if found.code is None else str(found.code)
    known = _STATUSES.get(code or "") or _STATUSES.get(found.type or "")
    status = known or (400 if code is not None and _IMAGES in code else _NO_STATUS)
    message = found.message or "the upstream's response failed without saying why"
    return UpstreamRefused(message, status=status, code=code, kind=found.type, param=found.param)


def read_error_event(data: bytes) -> UpstreamRefused:
    """An ``error`` event: its members are documented at the top, and in fact mostly stand in ``error``."""
    outer = as_object(Raw(data))
    inner = outer.get("error")
    body = json.encode(inner if isinstance(inner, dict) else {**outer, "type": None})
    try:
        return read_failure(json.decode(body, type=WireError))
    except ValueError:
        return read_failure(None)


def write_failure(error: SwitchgearError, sequence_number: int = 0) -> bytes:
    """The event that makes the SDKs raise inside a stream: as documented, and with the ``error`` that they look for."""
    fields = {"type": error_type(error), "code": error.code, "message": error.message, "param": error.param}
    event = {"type": "error", "sequence_number": sequence_number} | {
        name: fields[name] for name in ("code", "message", "param")
    }
    return b"event: error\ndata: %b\n\n" % json.encode(event | {"error": fields})
