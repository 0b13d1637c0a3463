"""Reports of the gateways of several machines, as values in the store that these share.

A store has no list of its keys, so one value names who told something, and when. Everybody writes it as a whole: one
that overwrites another's line loses it for a round, and then the other writes it again.
"""

from contextlib import suppress
from typing import Final

from msgspec import DecodeError, msgpack

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import KeyValue
from switchgear.routing.report import SILENT_SECONDS, FleetReport

_LIST: Final = "gateways"
_REPORT: Final = "gateway:"
_NANOSECONDS: Final = 1_000_000_000


class ReportValues:
    """One gateway's own report, and its eye on the others'."""

    def __init__(self, store: KeyValue, gateway: str, clock: Clock) -> None:
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._told_ns = 0
        self._seen: dict[str, int] = {}

    async def exchange(self, told: FleetReport | None) -> list[FleetReport]:
        """Tell ``told``, if it is news; reports of others that were told since the last time. Raises OSError."""
        if told is not None:
            await self._store.put(_REPORT + self._gateway, msgpack.encode(told), SILENT_SECONDS)
            self._told_ns = told.told_ns
        when = await self._when()
        if when.get(self._gateway) != self._told_ns:
            when[self._gateway] = self._told_ns
            await self._store.put(_LIST, msgpack.encode(when), 2 * SILENT_SECONDS)
        changed = [name for name, told_ns in when.items() if self._seen.get(name) != told_ns and name != self._gateway]
        self._seen = when
        found = [await self._report(name) for name in changed]
        return [report for report in found if report is not None]

    async def _when(self) -> dict[str, int]:
        """Who told something lately, by wall time."""
        oldest_ns = self._clock.wall_ns() - int(SILENT_SECONDS * _NANOSECONDS)
        value = await self._store.get(_LIST)
        with suppress(DecodeError):
            known = {} if value is None else msgpack.decode(value, type=dict[str, int])
            return {name: told_ns for name, told_ns in known.items() if told_ns >= oldest_ns}
        return {}

    async def _report(self, name: str) -> FleetReport | None:
        value = await self._store.get(_REPORT + name)
        with suppress(DecodeError):
            return None if value is None else msgpack.decode(value, type=FleetReport)
        return None
