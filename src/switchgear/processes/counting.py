"""What a gateway counts with: counters, and what keeps them alive beside the calls."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from msgspec import Struct

from switchgear.app.state import shared_counters
from switchgear.config.state import CountersEntry
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.engines.patient_counters import PatientCounters
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.ports import Counters
from switchgear.processes.written_counts import FOLDER, WrittenCounts


class Counting(Struct, frozen=True, kw_only=True):
    """Counters, and their life."""

    counters: Counters
    shared: PatientCounters | None = None
    """The same, where gateways share them."""
    counted: Callable[[], Sequence[tuple[str, str]]] = tuple
    """Counters with their windows, where all of them are at hand."""
    start: Callable[[], Awaitable[None]]
    """Before the first call; does not wait long."""
    run: Callable[[], Awaitable[None]]
    """Until cancelled."""
    aclose: Callable[[], Awaitable[None]]
    """After the last call."""


def counting(declared: CountersEntry, journal: Path, gateway: str, clock: Clock, random_bits: RandomBits) -> Counting:
    """What ``declared`` asks for, for the gateway ``gateway`` (``g<number>-<process>``). Raises ConfigError."""
    if declared.engine == "redis":
        patient = PatientCounters(shared_counters(declared), gateway, clock, random_bits)
        return Counting(counters=patient, shared=patient, start=patient.start, run=patient.run, aclose=patient.aclose)
    counters = MemoryCounters(clock)
    written = WrittenCounts(counters, journal / FOLDER, gateway, clock)
    return Counting(
        counters=counters,
        counted=counters.counted,
        start=written.start,
        run=written.run,
        aclose=written.aclose,
    )
