"""What a gateway counts with: counters, and what keeps them alive beside the calls.

Counters in this process are written down once a second, and read again by the gateway of the same number: what a
process that is killed counted in its last second is lost to its limits, though not to the journal.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from switchgear.app.state import shared_counters
from switchgear.config.state import CountersEntry
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.engines.patient_counters import PatientCounters
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.ports import Counters

FOLDER: Final = "counters"
_PERIOD_SECONDS: Final = 1.0
_SPARED: Final = 20
"""Writing takes at most so small a part of the time, a hundred thousand counters or more."""
_NANOSECONDS: Final = 1_000_000_000


class Counting(Struct, frozen=True, kw_only=True):
    """Counters, and their life."""

    counters: Counters
    shared: PatientCounters | None = None
    """The same, where gateways share them."""
    start: Callable[[], Awaitable[None]]
    """Before the first call; does not wait long."""
    run: Callable[[], Awaitable[None]]
    """Until cancelled."""
    aclose: Callable[[], Awaitable[None]]
    """After the last call."""


class WrittenDown:
    """Counters in this process, and the file in which they outlive it."""

    def __init__(self, counters: MemoryCounters, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._counters = counters
        self._path = path
        self._written = -1
        self._failing = False
        self._log = logging.getLogger("switchgear.counters")

    async def start(self) -> None:
        """Read what the last process wrote; what cannot be used is put aside."""
        try:
            self._counters.load(self._path.read_bytes())
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.warning("limits begin at zero: what was counted before cannot be read: %s", error)
        except ValueError:
            aside = self._path.with_suffix(".unusable")
            self._log.error("limits begin at zero: %s is damaged, and is now %s", self._path, aside.name)
            with suppress(OSError):
                self._path.rename(aside)

    async def run(self) -> None:
        """Write now and then, until cancelled: once a second, or less often where that is much work."""
        while True:
            began_ns = self._clock.monotonic_ns()
            await self.write()
            spent_seconds = (self._clock.monotonic_ns() - began_ns) / _NANOSECONDS
            await asyncio.sleep(max(_PERIOD_SECONDS, _SPARED * spent_seconds))

    async def write(self) -> None:
        """Write what has changed, if anything has."""
        changes = self._counters.changes
        if changes == self._written:
            return
        parts: list[bytes] = []
        for part in self._counters.dump_in_parts():
            parts.append(part)
            await asyncio.sleep(0)
        try:
            await asyncio.to_thread(self._replace, b"".join(parts))
        except OSError as error:
            if not self._failing:
                self._log.warning("what limits count cannot be written down: %s", error)
            self._failing = True
            return
        self._failing = False
        self._written = changes

    def _replace(self, saved: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as writing:
            writing.write(saved)
        draft.rename(self._path)


def counting(declared: CountersEntry, journal: Path, gateway: str, clock: Clock, random_bits: RandomBits) -> Counting:
    """What ``declared`` asks for, for the gateway ``gateway`` (``g<number>-<process>``). Raises ConfigError."""
    if declared.engine == "redis":
        patient = PatientCounters(shared_counters(declared), gateway, clock, random_bits)
        return Counting(counters=patient, shared=patient, start=patient.start, run=patient.run, aclose=patient.aclose)
    counters = MemoryCounters(clock)
    written = WrittenDown(counters, journal / FOLDER / f"{gateway.partition('-')[0]}.counts", clock)
    return Counting(counters=counters, start=written.start, run=written.run, aclose=written.write)
