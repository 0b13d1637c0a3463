"""A gateway's round, twice a second: tell what is known of the deployments, and hear what other gateways know."""

import asyncio
import logging
from contextlib import suppress
from typing import Final, Protocol

from msgspec import structs

from switchgear.engines.patient_counters import PatientCounters
from switchgear.kernel.clock import Clock
from switchgear.kernel.limit_report import LimitReport
from switchgear.processes.report_values import ReportValues
from switchgear.processes.reports import ReportFile
from switchgear.routing.fleet import Fleet
from switchgear.routing.minutes import OthersMinutes
from switchgear.routing.report import FleetReport, report, take_hints

_PERIOD_SECONDS: Final = 0.5
_LOOKS_AT_LIMITS: Final = 4
"""In so many rounds once: with many limits it is work."""
_SAY_AGAIN_NS: Final = 2_000_000_000
"""So often a gateway says that it still stands by what it told."""


class Server(Protocol):
    """What counts clients' connections."""

    @property
    def connection_count(self) -> int: ...

    @property
    def turned_away(self) -> int: ...


class Journal(Protocol):
    """What writes finished calls down."""

    @property
    def last_error(self) -> str: ...

    @property
    def lost_records(self) -> int: ...


class Limits(Protocol):
    """What knows how limits stand."""

    async def look(self) -> tuple[LimitReport, ...]: ...


class Sharing:
    """Writes what changed, or was told a while ago, and never on the loop.

    A breaker that opened is known to all gateways within a second.

    The gateways of one machine tell each other by files, those of several by values, where they share a store of these.
    Without either each gateway finds out by itself: what cannot be written costs a line in the log.
    """

    def __init__(
        self, fleet: Fleet, file: ReportFile, gateway: str, clock: Clock, values: ReportValues | None = None
    ) -> None:
        self.last = FleetReport(gateway=gateway, told_ns=clock.wall_ns())
        """What was told last."""
        self.server: Server | None = None
        self.shared_counters: PatientCounters | None = None
        self.journal: Journal | None = None
        self.limits: Limits | None = None
        self._fleet = fleet
        self._file = file
        self._values = values
        self._clock = clock
        self._minutes = OthersMinutes()
        self._written: FleetReport | None = None
        self._failing = False
        self._rounds = 0
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
        now = await report(self._fleet, self.last.gateway, self._clock)
        server = self.server
        if server is not None:
            now = structs.replace(now, connections=server.connection_count, turned_away=server.turned_away)
        shared = self.shared_counters
        if shared is not None:
            now = structs.replace(now, counters_reachable=shared.reachable, counters_owed=shared.owed)
        journal = self.journal
        if journal is not None:
            failing = bool(journal.last_error)
            now = structs.replace(now, journal_failing=failing, lost_records=journal.lost_records)
        self.last = structs.replace(now, limits=await self._limits())
        told = self.last if self._is_news(self.last) else None
        failure: OSError | None = None
        for exchange in (self._exchange_files, self._exchange_values):
            try:
                reports = await exchange(told)
                take_hints(self._fleet, reports, self._clock)
                self._minutes.hear(reports)
            except OSError as error:
                failure = error
        self._minutes.apply(self._fleet, self._clock)
        if failure is not None and not self._failing:
            self._log.warning("gateways cannot tell each other of failing deployments: %s", failure)
        self._failing = failure is not None
        if told is not None:
            self._written = None if failure else told

    async def _limits(self) -> tuple[LimitReport, ...]:
        """How limits stand, looked up at every fourth round; while nobody can be asked, what was found last."""
        self._rounds += 1
        if self.limits is not None and self._rounds % _LOOKS_AT_LIMITS == 1:
            with suppress(OSError):
                return await self.limits.look()
        return self.last.limits

    def _exchange(self, told: FleetReport | None) -> list[FleetReport]:
        if told is not None:
            self._file.write(told)
        return self._file.changed()

    async def _exchange_files(self, told: FleetReport | None) -> list[FleetReport]:
        return await asyncio.to_thread(self._exchange, told)

    async def _exchange_values(self, told: FleetReport | None) -> list[FleetReport]:
        if self._values is None:
            return []
        # A store that does not answer holds up nothing that the files tell.
        async with asyncio.timeout(_PERIOD_SECONDS):
            # How limits stand, every machine finds out by itself.
            return await self._values.exchange(told and structs.replace(told, limits=()))

    def _is_news(self, told: FleetReport) -> bool:
        written = self._written
        # Wall time may be set back: what was told in the future is told again too.
        if written is None or abs(told.told_ns - written.told_ns) >= _SAY_AGAIN_NS:
            return True
        return structs.replace(told, told_ns=written.told_ns) != written

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._log.warning("a report of this gateway stays behind: %s", error)
