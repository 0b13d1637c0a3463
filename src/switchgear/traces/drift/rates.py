"""Rates of a model's calls by the hour or minute, of one question to the store: errors, refusals, answers cut off."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from switchgear.kernel.query import Group
from switchgear.traces.drift.page_hinkley import Step

ERRORS: Final = "errors"
BY: Final = ("status", "finish")
"""What calls are grouped by, for :func:`courses`."""
_FINISHES: Final[Mapping[str, frozenset[str]]] = {
    "refusals": frozenset(("content_filter", "refusal")),
    "cut_off": frozenset(("length", "context_length")),
}
"""By monitor, the reasons for an answer's end that are its events."""
RATES: Final = (ERRORS, *_FINISHES)
NO_FINISH: Final = "no call told why its answer ended"


class Rate(Struct, frozen=True, kw_only=True):
    """What one monitor of rates looks at, oldest first."""

    monitor: str
    reference: Sequence[Step]
    current: Sequence[Step]


def rates(reference: Sequence[Group], current: Sequence[Group]) -> tuple[Rate, ...]:
    """All rates of two windows, of their calls counted by ``BY`` and a bucket of time."""
    before, now = courses(reference), courses(current)
    return tuple(Rate(monitor=monitor, reference=before[monitor], current=now[monitor]) for monitor in RATES)


def courses(groups: Sequence[Group]) -> dict[str, list[Step]]:
    """By monitor: errors among all calls, the others among those that told why their answer ended."""
    counted: dict[str, dict[int, list[int]]] = {monitor: {} for monitor in RATES}
    for group in groups:
        status, finish = group.values
        _add(counted[ERRORS], group, is_event=status == "error")
        for monitor, finishes in _FINISHES.items() if finish else ():
            _add(counted[monitor], group, is_event=finish in finishes)
    return {
        monitor: [Step(began_ns, *counts) for began_ns, counts in sorted(buckets.items())]
        for monitor, buckets in counted.items()
    }


def _add(buckets: dict[int, list[int]], group: Group, *, is_event: bool) -> None:
    count = int(group.measures[0] or 0)
    counts = buckets.setdefault(group.bucket_ns or 0, [0, 0])
    counts[0] += count
    counts[1] += count * is_event
