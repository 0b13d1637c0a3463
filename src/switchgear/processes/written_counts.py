"""Counters of one gateway in a file, so that the process that comes after it goes on where it stopped.

They are written once a second: what a process that is killed counted in its last second is lost to its limits, though
not to the journal. The file belongs to the process that began last. While one drains and the next serves already, as in
a rolling restart, the next one rings for what the old one has counted so far, and waits for it; what the old one
settles from then on until its end it hands over in a file of its own.
"""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, msgpack

from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Claim
from switchgear.processes.bell import Bell

FOLDER: Final = "counters"
"""Beside the segments of the journal."""
_FILE: Final = "gateway.counts"
_OWNER: Final = "owner"
_BELL: Final = "bell"
_HANDOVER: Final = ".handover"
_PERIOD_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.05
_PATIENCE: Final = 10
"""Looks until a process that drains is not waited for any longer: it may stand still."""
_SPARED: Final = 20
"""Writing takes at most so small a part of the time, a hundred thousand counters or more."""
_NANOSECONDS: Final = 1_000_000_000

_Stamp = tuple[int, int]


class Handover(Struct, frozen=True):
    """What a process did after another had taken the file over."""

    gained: list[Claim]
    ended: list[str]
    """Reservations that the other one holds too, and that are over."""


class WrittenCounts:
    """Counters in this process, and the files in which they outlive it."""

    def __init__(self, counters: MemoryCounters, folder: Path, gateway: str, clock: Clock) -> None:
        self._counters = counters
        self._folder = folder
        self._gateway = gateway
        self._clock = clock
        self._changes = -1
        """Those of the counters when they were written last."""
        self._written = b""
        self._is_owner = True
        self._owner_stamp: _Stamp | None = None
        self._bell = Bell(folder / _BELL)
        self._alive = -1
        """Locked as long as the process lives."""
        self._failing = False
        self._log = logging.getLogger("switchgear.counters")

    async def start(self) -> None:
        """Take the file over and read it; what cannot be used is put aside."""
        try:
            saved = await asyncio.to_thread(self._take_over)
            self._counters.load(saved)
        except OSError as error:
            self._log.warning("limits begin at zero: what was counted before cannot be read: %s", error)
        except ValueError:
            path = self._folder / _FILE
            aside = path.with_suffix(".unusable")
            self._log.error("limits begin at zero: %s is damaged, and is now %s", path, aside.name)
            with suppress(OSError):
                path.rename(aside)
        else:
            self._written = saved

    async def run(self) -> None:
        """Write now and then, until cancelled: once a second, or less often where that is much work."""
        while True:
            began_ns = self._clock.monotonic_ns()
            await self.yield_the_file()  # to one that could not ring
            await self.write()
            await self.adopt()
            spent_seconds = (self._clock.monotonic_ns() - began_ns) / _NANOSECONDS
            if await self._bell.rings_within(max(_PERIOD_SECONDS, _SPARED * spent_seconds)):
                await self.yield_the_file()

    async def yield_the_file(self) -> None:
        """Write at once for a process that has taken the file over, and waits for that."""
        if self._is_owner and _stamp(self._folder / _OWNER) != self._owner_stamp:
            self._changes = -1
            await self.write()

    async def write(self) -> None:
        """Write what has changed, if anything has."""
        changes = self._counters.changes
        if changes == self._changes or not self._is_owner:
            return
        parts: list[bytes] = []
        for part in self._counters.dump_in_parts():
            parts.append(part)
            await asyncio.sleep(0)
        saved = b"".join(parts)
        if await self._tried(lambda: self._replace(saved)):
            self._changes = changes

    async def adopt(self) -> None:
        """Count what others handed over, once: an entry is remembered as long as what it added."""
        found: list[tuple[Path, Handover]] = []
        if self._is_owner:
            await self._tried(lambda: found.extend(_handed_over(self._folder)))
        for path, handover in found:
            for reservation in handover.ended:
                await self._counters.settle(reservation)
            await self._counters.count(f"handover {path.name}", handover.gained)
            await self._tried(path.unlink)

    async def aclose(self) -> None:
        """Write for the last time, or hand over to the process that has the file by now."""
        self._bell.close()
        await self.write()
        if not self._is_owner:
            done = Handover(self._counters.gained_since(self._written), self._counters.ended_since(self._written))
            path = self._folder / f"{self._gateway}{_HANDOVER}"
            await self._tried(lambda: _write(path, msgpack.encode(done)))
        alive, self._alive = self._alive, -1
        if alive >= 0:
            os.close(alive)

    async def _tried(self, work: Callable[[], None]) -> bool:
        """Whether ``work``, done in a thread, succeeded; that it fails is said once."""
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            if not self._failing:
                self._log.warning("what limits count cannot be written down: %s", error)
            self._failing = True
            return False
        self._failing = False
        return True

    def _take_over(self) -> bytes:
        """From here on the file is this process' own; what is in it. Raises OSError."""
        path = self._folder / _FILE
        with self._alone():
            before = _stamp(path)
            _write(self._folder / _OWNER, self._gateway.encode())
            self._owner_stamp = _stamp(self._folder / _OWNER)
            with suppress(OSError):  # where there are no FIFOs, the other one looks once a second
                self._bell.hang()
            is_first = self._live()
        for _ in range(0 if is_first else _PATIENCE):
            if _stamp(path) != before:
                break
            time.sleep(_LOOK_SECONDS)
        with self._alone():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return b""

    def _live(self) -> bool:
        """Be known to live; whether no other process does."""
        self._alive = os.open(self._folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._alive, fcntl.LOCK_SH)
        return True

    def _replace(self, saved: bytes) -> None:
        with self._alone():
            is_owner = (self._folder / _OWNER).read_bytes() == self._gateway.encode()
            # Who has lost the file writes it once more, for the one who waits for that.
            if self._is_owner:
                _write(self._folder / _FILE, saved)
                self._written = saved
            self._is_owner = is_owner

    @contextmanager
    def _alone(self) -> Generator[None]:
        """No other process does the same meanwhile. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _handed_over(folder: Path) -> Iterator[tuple[Path, Handover]]:
    """Raises OSError."""
    for path in sorted(folder.glob(f"*{_HANDOVER}")):
        try:
            yield path, msgpack.decode(path.read_bytes(), type=Handover)
        except ValueError:
            yield path, Handover([], [])


def _stamp(path: Path) -> "_Stamp | None":
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns)


def _write(path: Path, data: bytes) -> None:
    """Replace a file, whole. Raises OSError."""
    draft = path.with_suffix(".new")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as writing:
        writing.write(data)
    draft.rename(path)
