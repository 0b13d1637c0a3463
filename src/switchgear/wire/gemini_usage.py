"""Gemini's token counts and finish reasons, both ways.

``promptTokenCount`` is the whole prompt, what came from the cache included; ``candidatesTokenCount`` leaves out the
thoughts and ``promptTokenCount`` what tools put into the prompt, both of which have counts of their own, and
``totalTokenCount`` is the sum of the four (ai.google.dev/api/generate-content#UsageMetadata). A modality's detail is
part of the count it details.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from switchgear.kernel.chat import Finish, Usage

_FINISHES: Final[dict[str, Finish]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "OTHER": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "content_filter",
}
_REASONS: Final[dict[Finish, str]] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "pause": "STOP",
    "length": "MAX_TOKENS",
    "context_length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
}
_BROKEN: Final = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    )
)
"""What ended without being an answer: the model wrote something that its own server could not use."""


class ModalityCount(Struct, rename="camel"):
    modality: str = ""
    token_count: int | None = None


class WireUsage(Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None
    estimated: bool | None = None
    """This gateway's own mark for counts that no model reported."""


def read_usage(wire: WireUsage) -> Usage:
    """Disjoint buckets; a part that is larger than its whole leaves the whole's remainder at 0, never below."""
    prompt = _count(wire.prompt_token_count) + _count(wire.tool_use_prompt_token_count)
    cached = _count(wire.cached_content_token_count)
    asked = [*(wire.prompt_tokens_details or ()), *(wire.tool_use_prompt_tokens_details or ())]
    heard = max(_of("AUDIO", asked) - _of("AUDIO", wire.cache_tokens_details or ()), 0)
    seen = max(_of("IMAGE", asked) - _of("IMAGE", wire.cache_tokens_details or ()), 0)
    thoughts = _count(wire.thoughts_token_count)
    answered = _count(wire.candidates_token_count)
    # Some models count their thoughts in both; only the total tells.
    if thoughts and _count(wire.total_token_count) == prompt + answered:
        answered = max(answered - thoughts, 0)
    spoken = _of("AUDIO", wire.candidates_tokens_details or ())
    return Usage(
        input=max(prompt - cached - heard - seen, 0),
        cache_read=cached,
        output=max(answered - spoken, 0),
        reasoning=thoughts,
        audio_input=heard,
        audio_output=spoken,
        image_input=seen,
        estimated=wire.estimated is True,
    )


def write_usage(usage: Usage) -> dict[str, object]:
    """Gemini's counts; tokens written to a cache have no count of their own there and are part of the prompt."""
    written: dict[str, object] = {
        "promptTokenCount": usage.total_input,
        "candidatesTokenCount": usage.output + usage.audio_output,
        "totalTokenCount": usage.total_input + usage.total_output,
    }
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.audio_input or usage.image_input:
        text = usage.total_input - usage.audio_input - usage.image_input
        written["promptTokensDetails"] = _details(TEXT=text, AUDIO=usage.audio_input, IMAGE=usage.image_input)
    if usage.audio_output:
        written["candidatesTokensDetails"] = _details(TEXT=usage.output, AUDIO=usage.audio_output)
    if usage.estimated:
        written["estimated"] = True
    return written


def read_finish(reason: str, *, calls: bool) -> Finish | None:
    """The canonical finish; a reason nobody knows is a stop, and one that tells of no answer at all is None.

    Gemini stops for its function calls as for anything else: ``calls`` says whether there were any.
    """
    if reason in _BROKEN:
        return None
    finish = _FINISHES.get(reason, "stop")
    return "tool_calls" if calls and finish == "stop" else finish


def write_finish(finish: Finish) -> str:
    """The nearest of Gemini's reasons."""
    return _REASONS[finish]


def _details(**counts: int) -> list[dict[str, object]]:
    return [{"modality": modality, "tokenCount": count} for modality, count in counts.items() if count]


def _of(modality: str, details: Iterable[ModalityCount]) -> int:
    return sum(_count(detail.token_count) for detail in details if detail.modality == modality)


def _count(value: int | None) -> int:
    return max(value or 0, 0)
