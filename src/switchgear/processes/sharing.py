"""A gateway's round, twice a second: tell what is known of the deployments, and hear what other gateways know."""

import asyncio
import logging
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.processes.reports import ReportFile
from switchgear.routing.fleet import Fleet
from switchgear.routing.report import FleetReport, report, take_hints

_PERIOD_SECONDS: Final = 0.5


class Sharing:
    """Writes only what changed, and never on the loop; a breaker that opened is known to all gateways within a second.

    Without the files each gateway finds out by itself: a folder that cannot be written costs a line in the log.
    """

    def __init__(self, fleet: Fleet, file: ReportFile, gateway: str, clock: Clock) -> None:
        self.last = FleetReport(gateway=gateway)
        """What was told last."""
        self._fleet = fleet
        self._file = file
        self._clock = clock
        self._written: FleetReport | None = None
        self._failing = False
        self._log = logging.getLogger("switchgear.gateway")

    async def run(self) -> None:
        """Go round until cancelled; then the gateway's file is gone."""
        try:
            while True:
                await self.round()
                await asyncio.sleep(_PERIOD_SECONDS)
        finally:
            self._close()

    async def round(self) -> None:
        """Tell and hear once."""
        self.last = await report(self._fleet, self.last.gateway, self._clock)
        try:
            others = await asyncio.to_thread(self._exchange, self.last)
        except OSError as error:
            if not self._failing:
                self._log.warning("gateways cannot tell each other of failing deployments: %s", error)
            self._failing = True
            return
        self._failing = False
        take_hints(self._fleet, others, self._clock)

    def _exchange(self, told: FleetReport) -> list[FleetReport]:
        if told != self._written:
            self._file.write(told)
            self._written = told
        return self._file.changed()

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._log.warning("a report of this gateway stays behind: %s", error)
