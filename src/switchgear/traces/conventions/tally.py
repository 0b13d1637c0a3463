"""The usage of a span: from one convention whole, the most specific that counts."""

from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.traces.conventions.convention import Accounting, Convention
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.tokens import disjoint, of_object
from switchgear.traces.conventions.values import count

PARTS: Final = (
    "input",
    "output",
    "total",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read_audio",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
)
_FIELDS: Final = tuple((part, f"tokens.{part}") for part in PARTS)
_TOLD: Final = frozenset(("tokens", *(field for _, field in _FIELDS)))
_PER_CONVENTION: Final = 1000


def usage_of(reading: Reading, spoken: tuple[Convention, ...]) -> tuple[Usage | None, str]:
    """Buckets, and a note where the sender's numbers contradict each other; None where nothing was counted."""
    fields = reading.fields
    if fields.keys().isdisjoint(_TOLD):
        return None, ""
    by_place: dict[int, dict[str, int]] = {}
    holds: dict[int, bool] = {}
    for said in fields.get("tokens", ()):
        counts, spelled = of_object(said.value)
        place = said.rank // _PER_CONVENTION
        by_place[place] = {**counts, **by_place.get(place, {})}
        if spelled is not None:
            holds[place] = spelled
    for part, field in _FIELDS:
        for said in fields.get(field, ()):
            held = by_place.setdefault(said.rank // _PER_CONVENTION, {})
            number = count(said.value)
            if number is not None and number > held.get(part, -1):
                held[part] = number
    loose: dict[str, int] = {}
    for place in sorted(by_place):
        counts = by_place[place]
        if "input" in counts or "output" in counts:
            return disjoint(_whole({**counts, **loose}), _accounting(reading, place, holds.get(place)))
        # One that tells only parts, or only a grand total, speaks of the numbers of the next.
        loose = {**counts, **loose}
    return disjoint(_whole(loose), Accounting()) if "total" in loose else (None, "")


def _whole(counts: dict[str, int]) -> dict[str, int]:
    """With the side that a grand total leaves where only the other was told."""
    total = counts.get("total")
    if total is None or ("input" in counts and "output" in counts):
        return counts
    if "output" in counts:
        return {**counts, "input": max(total - counts["output"], 0)}
    read = counts.get("input", total)
    return {**counts, "input": read, "output": max(total - read, 0)}


def _accounting(reading: Reading, place: int, spelled: bool | None) -> Accounting:
    told = reading.rules.conventions[place].accounting
    if spelled is None or spelled == told.input_holds_parts:
        return told
    return Accounting(input_holds_parts=spelled, output_holds_parts=spelled)
