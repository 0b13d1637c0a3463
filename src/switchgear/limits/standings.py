"""How the limits stand that calls fell under lately: for whoever runs the gateway, beside the calls."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.limit_report import LimitReport, merged_limits
from switchgear.kernel.ports import Counters, Standing
from switchgear.limits.lines import Counted, Lines
from switchgear.limits.model import Reach
from switchgear.limits.plan import Planner

MOST_TOLD: Final = 500
"""The most used ones: clients may name as many end users as they like."""
_MOST_ASKED: Final = 5_000
_AT_A_TIME: Final = 250


class Standings:
    """Asks the counters of the snapshot in force, and tells of those that are used most."""

    def __init__(self, planner: Callable[[], Planner | None], counters: Counters, clock: Clock) -> None:
        self._planner = planner
        self._counters = counters
        self._clock = clock

    async def look(self) -> tuple[LimitReport, ...]:
        """All of them, the most used first; none where nothing is limited. Raises OSError as the counters do."""
        planner = self._planner()
        if planner is None:
            return ()
        counted = _distinct(planner.known())
        told: list[LimitReport] = []
        for first in range(0, len(counted), _AT_A_TIME):
            told += await self._some(counted[first : first + _AT_A_TIME], planner)
        return tuple(merged_limits(told)[:MOST_TOLD])

    async def _some(self, counted: tuple[Counted, ...], planner: Planner) -> Iterator[LimitReport]:
        lines = Lines(counted, Reach(), planner.windows)
        claims = lines.claims(self._clock.wall_ns())
        return _reports(lines, await self._counters.standings(claims))


def _distinct(known: Iterator[Counted]) -> tuple[Counted, ...]:
    found: dict[str, Counted] = {}
    for each in known:
        found.setdefault(each.counter, each)
        if len(found) >= _MOST_ASKED:
            break
    return tuple(found.values())


def _reports(lines: Lines, standings: Sequence[Standing]) -> Iterator[LimitReport]:
    for counted, window, standing in zip(lines.counted, lines.windows, standings, strict=True):
        rule = counted.rule
        yield LimitReport(
            limit=rule.name,
            quantity=rule.quantity,
            whom=counted.whom,
            used=standing.used,
            held=standing.held,
            allowed=rule.limit,
            action=rule.action,
            period=rule.period or "",
            ends_ns=0 if window is None else window.ends_ns,
            known=standing.known,
        )
