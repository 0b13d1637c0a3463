"""Token counts of any accounting, as disjoint buckets whose sum is the sender's total."""

from collections.abc import Iterator, Mapping
from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.traces.conventions.convention import Accounting
from switchgear.traces.conventions.values import count, is_object, members

OBJECT_NAMES: Final[Mapping[str, str]] = {
    "audio": "audio",
    "audio_tokens": "audio",
    "cache_creation": "cache_write",
    "cache_creation_input_tokens": "cache_write",
    "cache_creation_tokens": "cache_write",
    "cache_read": "cache_read",
    "cache_read_input_tokens": "cache_read",
    "cache_read_tokens": "cache_read",
    "cache_write": "cache_write",
    "cache_write_tokens": "cache_write",
    "cached_content_token_count": "cache_read",
    "cached_tokens": "cache_read",
    "cachedInputTokens": "cache_read",
    "candidates_token_count": "output",
    "completion": "output",
    "completion_tokens": "output",
    "completionTokens": "output",
    "ephemeral_1h_input_tokens": "cache_write_1h",
    "ephemeral_5m_input_tokens": "cache_write_5m",
    "image": "image",
    "image_tokens": "image",
    "input": "input",
    "input_audio": "audio_input",
    "input_audio_tokens": "audio_input",
    "input_cache_creation": "cache_write",
    "input_cache_creation_1h": "cache_write_1h",
    "input_cache_creation_5m": "cache_write_5m",
    "input_cache_read": "cache_read",
    "input_cached_tokens": "cache_read",
    "input_image": "image_input",
    "input_image_tokens": "image_input",
    "input_tokens": "input",
    "inputTokens": "input",
    "output": "output",
    "output_audio": "audio_output",
    "output_audio_tokens": "audio_output",
    "output_reasoning": "reasoning",
    "output_reasoning_tokens": "reasoning",
    "output_tokens": "output",
    "outputTokens": "output",
    "prompt": "input",
    "prompt_token_count": "input",
    "prompt_tokens": "input",
    "promptTokens": "input",
    "reasoning": "reasoning",
    "reasoning_tokens": "reasoning",
    "reasoningTokens": "reasoning",
    "thoughts_token_count": "reasoning",
    "total": "total",
    "total_token_count": "total",
    "total_tokens": "total",
    "totalTokens": "total",
}
"""Members of a usage object in all spellings. ``audio`` and ``image`` are of the side that they stand on."""
DETAILS: Final[Mapping[str, str]] = {
    "cache_creation": "input",
    "completion_tokens_details": "output",
    "input_token_details": "input",
    "input_tokens_details": "input",
    "output_token_details": "output",
    "output_tokens_details": "output",
    "prompt_tokens_details": "input",
}
"""Objects within a usage object, and which total their parts stand beside."""
_TOTALS: Final = frozenset(("input", "output", "total"))
HOLDS_BY_NAME: Final = frozenset(("prompt_tokens", "prompt_token_count"))
"""Spellings that say by themselves that the input holds its parts: OpenAI's and Gemini's own."""


def of_object(value: object) -> tuple[dict[str, int], bool | None]:
    """The counts of a usage object (or its JSON text), and whether its input holds its parts, if it says so."""
    found: dict[str, int] = {}
    holds: bool | None = None
    for key, told in _flat(members(value)):
        side, _, spelled = key.rpartition(".")
        part = OBJECT_NAMES.get(spelled)
        number = count(told)
        if part is None or number is None:
            continue
        if part in {"audio", "image"}:
            part = f"{part}_{side or 'input'}"
        found[part] = max(found.get(part, 0), number)
        if spelled in HOLDS_BY_NAME or side:
            holds = True
    return found, holds


def _flat(usage: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, told in usage.items():
        head, _, tail = str(key).partition(".")
        side = DETAILS.get(head)
        if side is None or not (tail or is_object(told)):
            yield str(key), told
        elif tail:
            yield f"{side}.{tail}", told
        else:
            yield from ((f"{side}.{inner}", number) for inner, number in members(told).items())


def disjoint(told: Mapping[str, int], accounting: Accounting) -> tuple[Usage, str]:
    """Buckets that sum up to the totals told, and a note where the sender's numbers cannot all be true.

    Where a grand total is told, it decides whether parts stand within their total or beside it.
    """
    get = told.get
    if told.keys() <= _TOTALS:
        return Usage(input=get("input", 0), output=get("output", 0)), ""
    written_5m, written_1h = get("cache_write_5m", 0), get("cache_write_1h", 0)
    written = max(get("cache_write", 0), written_5m + written_1h)
    doubled = get("cache_read_audio", 0)
    inputs = {
        "cache_read": get("cache_read", 0),
        "cache_write_1h": min(written_1h, written),
        "cache_write_5m": written - min(written_1h, written),
        "audio_input": max(get("audio_input", 0) - doubled, 0),
        "image_input": get("image_input", 0),
    }
    outputs = {"reasoning": get("reasoning", 0), "audio_output": get("audio_output", 0)}
    holds = _decided(told, sum(inputs.values()), sum(outputs.values()), accounting)
    fresh, inputs, cut_input = _shared_out(get("input"), inputs, holds=holds.input_holds_parts)
    rest, outputs, cut_output = _shared_out(get("output"), outputs, holds=holds.output_holds_parts)
    note = ""
    if cut_input or cut_output:
        note = f"more cached, audio, image or reasoning tokens were told than tokens in all: {_spelled(told)}"
    usage = Usage(
        input=fresh,
        cache_read=inputs["cache_read"],
        cache_write_5m=inputs["cache_write_5m"],
        cache_write_1h=inputs["cache_write_1h"],
        audio_input=inputs["audio_input"],
        image_input=inputs["image_input"],
        output=rest,
        reasoning=outputs["reasoning"],
        audio_output=outputs["audio_output"],
    )
    return usage, note


def _spelled(told: Mapping[str, int]) -> str:
    return ", ".join(f"{part} {number}" for part, number in sorted(told.items()))


def _decided(told: Mapping[str, int], inputs: int, outputs: int, accounting: Accounting) -> Accounting:
    total = told.get("total")
    if not total or not (inputs or outputs) or "input" not in told or "output" not in told:
        return accounting
    read, wrote = told["input"], told["output"]
    first = (accounting.input_holds_parts, accounting.output_holds_parts)
    for within, beside in (first, (first[0], not first[1]), (not first[0], first[1]), (not first[0], not first[1])):
        if total == read + (0 if within else inputs) + wrote + (0 if beside else outputs):
            return Accounting(input_holds_parts=within, output_holds_parts=beside)
    return accounting


def _shared_out(total: int | None, parts: dict[str, int], *, holds: bool) -> tuple[int, dict[str, int], bool]:
    """What no part has of the total, the parts, and whether parts had to be cut to fit in."""
    if total is None or not holds:
        return total or 0, parts, False
    left = total
    fitting: dict[str, int] = {}
    for part, number in parts.items():
        fitting[part] = min(number, left)
        left -= fitting[part]
    return left, fitting, fitting != parts
