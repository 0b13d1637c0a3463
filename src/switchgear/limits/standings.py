"""How the limits stand that calls fell under lately: for whoever runs the gateway, beside the calls."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.limit_report import LimitReport, merged_limits
from switchgear.kernel.ports import Counters, Standing
from switchgear.limits.lines import Counted, Lines, Stretch
from switchgear.limits.model import Reach
from switchgear.limits.plan import Names, Planner

MOST_TOLD: Final = 500
"""The most used ones: clients may name as many end users as they like."""
_MOST_ASKED: Final = 5_000
_AT_A_TIME: Final = 250


class Standings:
    """Asks the counters of the limits in force, and tells of those that are used most.

    Calls of an earlier snapshot count too. Of what they fell under, all is known where the counters are at hand; else
    what the last snapshot knew.
    """

    def __init__(
        self,
        planner: Callable[[], Planner | None],
        counters: Counters,
        clock: Clock,
        counted: Callable[[], Sequence[tuple[str, str]]] = tuple,
    ) -> None:
        """``counted`` lists counters with their windows, as far as they are at hand."""
        self._planner = planner
        self._counters = counters
        self._clock = clock
        self._counted = counted
        self._last: Planner | None = None
        self._earlier: dict[str, Counted] = {}
        """What calls of earlier snapshots have counted in windows that are not over, under the rules of ``_last``."""

    async def look(self) -> tuple[LimitReport, ...]:
        """All of them, the most used first; none where nothing is limited. Raises OSError as the counters do."""
        planner = self._planner()
        if planner is None:
            return ()
        if planner is not self._last:
            self._earlier = await self._of_earlier(planner)
            self._last = planner
        known = _distinct(planner.known())
        earlier = {name: each for name, each in self._earlier.items() if name not in known}
        asked = tuple({**known, **earlier}.values())[:_MOST_ASKED]
        told: list[LimitReport] = []
        for first in range(0, len(asked), _AT_A_TIME):
            some = asked[first : first + _AT_A_TIME]
            for each, report in zip(some, await self._some(some, planner), strict=True):
                if report.used or each.counter in known:
                    told.append(report)
                elif report.known:
                    # Its window is over: what counts from now on, this snapshot knows.
                    del self._earlier[each.counter]
            await asyncio.sleep(0)
        return tuple(merged_limits(told)[:MOST_TOLD])

    async def _of_earlier(self, planner: Planner) -> dict[str, Counted]:
        """A part at a time: there may be very many, and calls go on meanwhile."""
        names, now_ns = Names(planner.rules), self._clock.wall_ns()
        before = () if self._last is None else _distinct(self._last.known())
        met: list[tuple[str, str | None]] = [(counter, None) for counter in {**dict.fromkeys(before), **self._earlier}]
        met += self._counted()
        found: dict[str, Counted] = {}
        for first in range(0, len(met), _AT_A_TIME):
            for counter, window in met[first : first + _AT_A_TIME]:
                each = names.find(counter) if len(found) < _MOST_ASKED else None
                if each is not None and _is_present(planner.windows.of(each.rule, now_ns), window):
                    found[counter] = each
            await asyncio.sleep(0)
        return found

    async def _some(self, counted: tuple[Counted, ...], planner: Planner) -> list[LimitReport]:
        lines = Lines(counted, Reach(), planner.windows)
        claims = lines.claims(self._clock.wall_ns())
        return list(_reports(lines, await self._counters.standings(claims)))


def _distinct(known: Iterator[Counted]) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for each in known:
        found.setdefault(each.counter, each)
        if len(found) >= _MOST_ASKED:
            break
    return found


def _is_present(stretch: Stretch | None, name: str | None) -> bool:
    """Whether what was counted in the window ``name`` counts now, or may; calls at once count in none."""
    if stretch is None or name is None:
        return not name
    return name in (stretch.window.name, stretch.window.previous or stretch.window.name)


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
