"""The control process' hand in the ledger: takes in what the journal holds, and proves the two against each other.

It reads for itself, beside the follower that counts for metrics: where the two stand differs just when it matters, for
metrics go on while the database is down, and the ledger goes on where its last transaction ended. Meanwhile the journal
keeps what was not read (``journal.when_unread``), and no call waits.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.record import CallRecord
from switchgear.ledger.reconciling import Proof
from switchgear.ledger.row import DAY_NS
from switchgear.ledger.service import Ledger, Unwritable
from switchgear.processes.counter_proof import CounterProof
from switchgear.traces.families import Counts, Family
from switchgear.traces.journal_reader import Batch, JournalReader, records_up_to
from switchgear.traces.offsets import FileOffsets, Position

OFFSETS_FILE: Final = "ledger.offsets"
IDENTITY_FILE: Final = "ledger.id"
_KEEP_NS: Final = 1_000_000_000
_FIRST_PROOF_SECONDS: Final = 60.0
_LONGEST_PAUSE_SECONDS: Final = 5.0
_PROVEN_DAYS: Final = 2

Ready = Callable[[], Awaitable[object]]


class Bookkeeper:
    """Keeps the ledger of one journal."""

    def __init__(
        self,
        directory: Path,
        ledger: Ledger,
        clock: Clock,
        ready: Ready,
        prove_seconds: float = 3600.0,
        poll_seconds: float = 2.0,
    ) -> None:
        """``ready`` has the database brought forward; it is called before anything is asked of it.

        A journal that holds nothing new, or a database that fails, is asked again after ``poll_seconds``: each look
        that finds something is a commit, for which the file system may let a gateway's store wait.
        """
        self._directory = directory
        self._ready = ready
        self._ledger = ledger
        self._clock = clock
        self._prove_seconds = prove_seconds
        self._poll_seconds = poll_seconds
        self._log = logging.getLogger("switchgear.ledger")
        self._standing = Standing(clock)
        self._kept_ns = 0
        self.counters: CounterProof | None = None
        """Whether budgets counted what the ledger says; None: nobody compares."""

    async def run(self) -> None:
        """Take in and prove until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_taking())
            group.create_task(self._keep_proving())

    async def _keep_taking(self) -> None:
        pause = self._poll_seconds
        while True:
            rows = self._standing.rows
            try:
                await self._take_on()
            except (OSError, ConfigError) as error:
                self._standing.failed(error)
            pause = self._poll_seconds if self._standing.rows > rows else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _take_on(self) -> None:
        """Take in what comes, from where the ledger stands. Raises OSError once the database fails."""
        reader, journal = await self.open()
        while True:
            if not await self.take(reader, journal):
                await asyncio.sleep(self._poll_seconds)

    async def open(self) -> tuple[JournalReader, str]:
        """A reader that begins where the ledger's last transaction ended, and the journal's name. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        offsets = FileOffsets(self._directory / OFFSETS_FILE)
        if not (self._directory / OFFSETS_FILE).exists():
            # From now on nothing is deleted that the ledger does not have, whether the database answers or not.
            await asyncio.to_thread(offsets.commit, {})
        journal = await asyncio.to_thread(identity, self._directory)
        await self._ready()
        return JournalReader(self._directory, _Standing(await self._ledger.position(journal), offsets)), journal

    async def take(self, reader: JournalReader, journal: str) -> bool:
        """Take in the next batch; whether the one behind it is there already. Raises OSError."""
        batch = None if reader.is_quiet() else await asyncio.to_thread(reader.read_batch)
        if batch is None:
            self._standing.worked()
            return False
        try:
            self._standing.rows += await self._ledger.take(journal, batch.records, batch.position)
        except Unwritable:
            await self._take_singly(journal, batch)
        self._standing.worked()
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._kept_ns >= _KEEP_NS or not batch.more:
            await asyncio.to_thread(reader.commit, batch.position)
            self._kept_ns = now_ns
        return batch.more

    async def _take_singly(self, journal: str, batch: Batch) -> None:
        """Take in what can be, so that one record that cannot does not hold up all that come after it."""
        before = await self._ledger.position(journal)
        for record in batch.records:
            try:
                self._standing.rows += await self._ledger.take(journal, [record], before)
            except Unwritable as error:
                self._standing.refused_records += 1
                self._log.error("call %s is not in the ledger: %s", record.id, error)
        await self._ledger.take(journal, [], batch.position)

    async def prove(self) -> list[Proof]:
        """Compare all that the journal still holds with the rows, and the rows of two days with their totals."""
        journal = await asyncio.to_thread(identity, self._directory)
        position = await self._ledger.position(journal)
        today = self._clock.wall_ns() // DAY_NS
        proofs = [
            await self._ledger.prove_journal(pieces(records_up_to(self._directory, position))),
            await self._ledger.prove_totals(today + 1 - _PROVEN_DAYS, today + 1),
        ]
        self._tell(proofs)
        if self.counters is not None:
            proofs.append(await self.counters.prove())
            self._tell(proofs[-1:])
        return proofs

    def _tell(self, proofs: Iterable[Proof]) -> None:
        for proof in proofs:
            self._standing.differences[proof.between] = proof.difference_nano_usd
            for finding in proof.findings:
                self._log.error("%s: %s %s: %s", proof.between, finding.what, finding.where, finding)

    async def _keep_proving(self) -> None:
        pause = min(_FIRST_PROOF_SECONDS, self._prove_seconds)
        while True:
            await asyncio.sleep(pause)
            pause = self._prove_seconds
            try:
                await self.prove()
            except (OSError, ConfigError) as error:
                self._log.warning("the ledger could not be proven against journal and counters: %s", error)

    def metrics(self) -> str:
        """How the ledger stands, in Prometheus' text format."""
        return self._standing.render()


class Standing:
    """What is counted of a ledger's keeping, and told as metrics."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic_ns = clock.monotonic_ns
        self._log = logging.getLogger("switchgear.ledger")
        self._failed_writes = 0
        self._failing_since_ns: int | None = None
        self.rows = 0
        """Written by this process."""
        self.refused_records = 0
        """That no row could be made of."""
        self.differences: dict[str, int] = {}
        """In nano-dollars, by what was compared."""

    def failed(self, error: Exception) -> None:
        """The database did not take what the journal holds; it is said once."""
        self._failed_writes += 1
        if self._failing_since_ns is None:
            self._failing_since_ns = self._monotonic_ns()
            self._log.error("the ledger is not written, and the journal keeps what it owes: %s", error)

    def worked(self) -> None:
        """The database has all that there was."""
        if self._failing_since_ns is not None:
            self._failing_since_ns = None
            self._log.warning("the ledger is written again")

    def render(self) -> str:
        """Everything, as Prometheus reads it."""
        since_ns = self._failing_since_ns
        behind_ns = 0 if since_ns is None else self._monotonic_ns() - since_ns
        behind = Family("switchgear_ledger_behind_seconds", "gauge", _BEHIND, ())
        differences = Family("switchgear_reconciliation_difference_nano_usd", "gauge", _DIFFERENCE, ("between",))
        rows, failed = Counts("switchgear_ledger_rows_total", _ROWS, ()), Counts(_FAILED_NAME, _FAILED, ())
        refused = Counts(_REFUSED_NAME, _REFUSED, ())
        refused.add((), self.refused_records)
        rows.add((), self.rows)
        failed.add((), self._failed_writes)
        found = sorted(self.differences.items())
        return (
            rows.render()
            + failed.render()
            + refused.render()
            + behind.text([behind.line((), behind_ns / 1e9)])
            + differences.text(differences.line((between,), amount) for between, amount in found)
        )


_ROWS: Final = "Rows written to the ledger by this process."
_FAILED_NAME: Final = "switchgear_ledger_failed_writes_total"
_FAILED: Final = "Times that the database did not take rows; the journal keeps them meanwhile."
_REFUSED_NAME: Final = "switchgear_ledger_refused_records_total"
_REFUSED: Final = "Records that the database would not take; the log names them, and reconciling misses them."
_BEHIND: Final = "For how long the database has not taken what the journal holds; 0 while it does."
_DIFFERENCE: Final = "Sum of all differences that the last proof found, each without its sign."


def identity(directory: Path) -> str:
    """The journal's own name in the ledger, wherever its folder is; given once. Raises OSError."""
    path = directory / IDENTITY_FILE
    if not path.exists():
        fresh = directory / f"{IDENTITY_FILE}.{secret_hex(4)}"
        fresh.write_text(secret_hex(16))
        try:
            # Unlike a rename this cannot take the place of what another process has put there meanwhile.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


async def pieces(batches: Iterator[list[CallRecord]]) -> AsyncIterator[list[CallRecord]]:
    """Batches that are read off the loop."""
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch


class _Standing:
    """Offsets that the database holds; the file beside the journal is a copy, for whoever deletes old segments."""

    def __init__(self, position: Position, copy: FileOffsets) -> None:
        self._position = position
        self._copy = copy

    def load(self) -> Position:
        return self._position

    def commit(self, position: Position) -> None:
        self._copy.commit(position)
