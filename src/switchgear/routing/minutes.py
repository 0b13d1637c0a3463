"""What other gateways sent to deployments in the last minute: it counts against what the vendor allows all of them.

Each tells its own sums twice a second while they change, so that together they pass a limit by at most what the others
sent in the last second; the vendor's own 429 stands behind that. Nobody waits for anybody.
"""

from collections.abc import Iterable

from switchgear.kernel.clock import Clock
from switchgear.routing.fleet import Fleet
from switchgear.routing.report import SILENT_SECONDS, FleetReport

_NANOSECONDS = 1_000_000_000

Sums = dict[str, tuple[int, int]]
"""Requests and tokens, by deployment."""


class OthersMinutes:
    """The last word of each other gateway."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, Sums]] = {}
        self._applied: frozenset[str] = frozenset()

    def hear(self, reports: Iterable[FleetReport]) -> None:
        """Remember what these gateways told."""
        for one in reports:
            sums = {
                told.name: (told.minute_requests, told.minute_tokens)
                for told in one.deployments
                if told.minute_requests or told.minute_tokens
            }
            self._told[one.gateway] = (one.told_ns, sums)

    def apply(self, fleet: Fleet, clock: Clock) -> None:
        """Have every deployment know what others sent there; who has been silent for long is left out."""
        since_ns = clock.wall_ns() - int(SILENT_SECONDS * _NANOSECONDS)
        self._told = {gateway: told for gateway, told in self._told.items() if told[0] >= since_ns}
        total: Sums = {}
        for _, sums in self._told.values():
            for name, (requests, tokens) in sums.items():
                known = total.get(name, (0, 0))
                total[name] = (known[0] + requests, known[1] + tokens)
        for name in self._applied | total.keys():
            health = fleet.find(name)
            if health is not None:
                health.hear_minute(*total.get(name, (0, 0)))
        self._applied = frozenset(total)
