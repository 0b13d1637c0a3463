"""Calls under way, written down twice a second, so that what a killed gateway had sent is billed as what it may cost.

``open/<gateway>.<turn>.calls`` beside the journal holds what a gateway would record of its open calls if it died now:
attempts that have no end yet are of unknown cost, between nothing and all that the request allowed. It is locked by its
writer as long as that lives. The control process looks for files whose writer is gone, puts what the journal does not
have into the journal, as a segment of its own, and takes the file away. What began in the last second before a gateway
died may not be in it.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Raw, structs
from msgspec.msgpack import decode, encode

from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.pricing import Price
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.routing.accounting import settle_unsure
from switchgear.routing.model import RouteTable
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.segment import SegmentReader, segments
from switchgear.traces.stage import Record

FOLDER: Final = "open"
DIED: Final = "gateway_died: the gateway died while the call was under way"
_SUFFIX: Final = ".calls"
_SECONDS: Final = 0.5
_YOUNG_NS: Final = 200_000_000
"""Most calls are over sooner; an older one is written down."""
_AT_ONCE: Final = 50
"""Between two looks at the loop; some twenty microseconds each."""
_MOST_CALLS: Final = 20_000
_CHUNK_BYTES: Final = 1024 * 1024


class OpenCalls:
    """One gateway's own file."""

    def __init__(self, record: Record, journal: Path, gateway: str, clock: Clock) -> None:
        self._record = record
        self._folder = journal / FOLDER
        self._paths = [self._folder / f"{gateway}.{turn}{_SUFFIX}" for turn in (0, 1)]
        """By turns: over a file that is there a file system would flush the new one first, and calls would wait."""
        self._clock = clock
        self._held = -1
        self._notes: dict[str, tuple[int, Raw]] = {}
        """What is written down, by call, with how many attempts it had then."""
        self._log = logging.getLogger("switchgear.gateway")

    async def run(self) -> None:
        """Write until cancelled; then all calls are over, and the file goes."""
        try:
            while True:
                await asyncio.sleep(_SECONDS)
                await self.write()
        finally:
            for path in self._paths:
                path.unlink(missing_ok=True)

    async def write(self) -> None:
        """Write down what is open now; nothing is written where nothing has changed."""
        before = self._notes.keys()
        changed = await self._renew()
        if not changed and before == self._notes.keys():
            return
        try:
            await asyncio.to_thread(self._replace, encode([note for _, note in self._notes.values()]))
        except OSError as error:
            self._log.warning("open calls cannot be written down: %s", error)

    async def _renew(self) -> bool:
        """Note what has no note yet, or made another attempt since, a few at a time; whether there was any."""
        before_ns = self._clock.monotonic_ns() - _YOUNG_NS
        kept: dict[str, tuple[int, Raw]] = {}
        made = 0
        for call in list(self._record.open.values())[:_MOST_CALLS]:
            if call.started_monotonic_ns >= before_ns or not call.attempts:
                continue
            note = self._notes.get(call.id)
            if note is None or note[0] != len(call.attempts):
                note = (len(call.attempts), Raw(encode(self._note(call))))
                made += 1
                if not made % _AT_ONCE:
                    await asyncio.sleep(0)
            kept[call.id] = note
        self._notes = kept
        return made > 0

    def _note(self, call: Call) -> CallRecord:
        note = self._record.record_of(call, 0, "failed", DIED)
        note.attempts = [attempt if attempt.cost else _unended(call, attempt) for attempt in call.attempts]
        return note

    def _replace(self, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path, former = self._paths
        draft = path.with_suffix(".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            with os.fdopen(file, "wb", closefd=False) as writing:
                writing.write(data)
            draft.rename(path)
        except OSError:
            os.close(file)
            raise
        former.unlink(missing_ok=True)
        self._paths.reverse()
        held, self._held = self._held, file
        if held >= 0:
            os.close(held)


def _unended(call: Call, attempt: Attempt) -> Attempt:
    """An attempt as it is to be remembered if nothing more is ever heard of it."""
    copy = structs.replace(attempt, outcome="failed", error=DIED)
    settle_unsure(call, copy, _price(call, attempt.deployment), None)
    return copy


def _price(call: Call, deployment: str) -> Price | None:
    try:
        return call.snapshot.part(RouteTable).find(deployment).deployments[0].price
    except SwitchgearError:
        return None


def left_behind(journal: Path) -> Iterator[Path]:
    """Files of gateways that are dead. Raises OSError."""
    for path in sorted((journal / FOLDER).glob(f"*{_SUFFIX}")):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # A living writer locks a file before it stands under this name, and lets go of the one before only then.
            same = os.fstat(file).st_ino == path.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            same = False
        finally:
            os.close(file)
        if same:
            yield path


def bury(journal: Path, path: Path, clock: Clock) -> int:
    """Put what a dead gateway left behind into the journal; how many calls. Raises OSError.

    Should this process be killed in between, the same comes again: the ledger knows a call by its id.
    """
    try:
        notes = decode(path.read_bytes(), type=list[CallRecord])
    except DecodeError:
        notes = []
    gateway = path.name.partition(".")[0]
    ended = _recorded(journal, gateway) if notes else set[str]()
    lost = [note for note in notes if note.id not in ended]
    if lost:
        writer = JournalWriter(JournalSettings(directory=journal), f"{gateway}-left", clock)
        for note in lost:
            writer.append(note)
        writer.close()
    path.unlink(missing_ok=True)
    return len(lost)


def _recorded(journal: Path, gateway: str) -> set[str]:
    """Ids of the calls that a dead gateway has recorded itself."""
    reader, found = SegmentReader(), set[str]()
    for path in segments(journal):
        if f"-{gateway}-" not in path.name:
            continue
        offset = 0
        while (scan := reader.scan(path, offset, _CHUNK_BYTES)).records:
            found.update(record.id for record in scan.records)
            offset = scan.end
    return found


async def keep_burying(journal: Path, clock: Clock) -> None:
    """Look for what dead gateways left, until cancelled."""
    log = logging.getLogger("switchgear.control")
    while True:
        try:
            for path in await asyncio.to_thread(lambda: list(left_behind(journal))):
                count = await asyncio.to_thread(bury, journal, path, clock)
                name = path.name.partition(".")[0]
                log.warning("%s died, and %d calls with it: they are on record as what they may cost", name, count)
        except OSError as error:
            log.warning("what dead gateways left behind cannot be read: %s", error)
        await asyncio.sleep(_SECONDS)
