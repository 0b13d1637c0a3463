"""The journal reaches the ledger exactly once, whatever is killed, stopped or unreachable in between."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase
from switchgear.kernel.clock import FrozenClock
from switchgear.ledger.service import Ledger
from switchgear.processes.bookkeeping import IDENTITY_FILE, OFFSETS_FILE, Bookkeeper, identity
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.journal_reader import JournalReader, records_up_to
from switchgear.traces.offsets import FileOffsets
from switchgear.traces.retention import Retention
from switchgear.traces.segment import segments
from tests.ledger.samples import NOON_NS, attempt, record, rows, stated
from tests.traces.samples import reader

CLOCK = FrozenClock(wall_ns=NOON_NS)


class Fallible:
    """A database that can be stopped, before a transaction or at its end."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database
        self.down = False
        self.loses_its_answer = False

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        if self.down:
            raise ConnectionRefusedError("nobody listens")
        async with self._database.read() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        if self.down:
            raise ConnectionRefusedError("nobody listens")
        async with self._database.write() as connection:
            yield connection
        if self.loses_its_answer:
            raise ConnectionResetError("committed, and nobody was told")


def writer(directory: Path, gateway: str = "g0") -> JournalWriter:
    return JournalWriter(JournalSettings(directory=directory), gateway, CLOCK)


def keeper(directory: Path, database: ControlDatabase | Fallible) -> Bookkeeper:
    async def ready() -> None:
        """The tables are there."""

    return Bookkeeper(directory, Ledger(database, CLOCK), CLOCK, ready, poll_seconds=0.02)


async def caught_up(directory: Path, database: ControlDatabase | Fallible) -> None:
    """A control process that starts, takes in all there is, and is killed."""
    book = keeper(directory, database)
    source, journal = await book.open()
    while await book.take(source, journal):
        pass


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def test_everything_in_the_journal_is_taken_in_once_however_often_the_process_is_killed(
    tmp_path: Path, database: ControlDatabase
) -> None:
    journal = writer(tmp_path)
    for number in range(50):
        journal.append(record(number))
        if number % 7 == 0:
            await caught_up(tmp_path, database)
    journal.close()
    await caught_up(tmp_path, database)
    await caught_up(tmp_path, database)
    assert [int(row.call_id, 16) for row in await rows(database)] == list(range(50))
    assert [line.cost_nano_usd for line in await stated(database)] == [50 * 345]


async def test_records_from_before_the_ledger_are_taken_in_too(tmp_path: Path, database: ControlDatabase) -> None:
    journal = writer(tmp_path)
    journal.append(record(1))
    journal.close()
    await caught_up(tmp_path, database)
    assert len(await rows(database)) == 1


async def test_a_lost_copy_of_the_position_and_a_lost_answer_of_the_database_change_nothing(
    tmp_path: Path, database: ControlDatabase
) -> None:
    journal, fallible = writer(tmp_path), Fallible(database)
    journal.append(record(1))
    book = keeper(tmp_path, fallible)
    source, name = await book.open()
    fallible.loses_its_answer = True
    try:
        await book.take(source, name)
    except OSError:
        (tmp_path / OFFSETS_FILE).unlink()
    fallible.loses_its_answer = False
    journal.append(record(2))
    await caught_up(tmp_path, database)
    assert [int(row.call_id, 16) for row in await rows(database)] == [1, 2]
    assert [line.calls for line in await stated(database)] == [2]


async def test_while_the_database_is_down_the_journal_keeps_what_it_owes(
    tmp_path: Path, database: ControlDatabase
) -> None:
    fallible = Fallible(database)
    fallible.down = True
    book = keeper(tmp_path, fallible)
    running = asyncio.create_task(book.run())
    await until(lambda: "failed_writes_total 1" in book.metrics())
    first = writer(tmp_path)
    first.append(record(1))
    first.close()
    Retention(tmp_path, 1, "keep").enforce()
    assert len(segments(tmp_path)) == 1
    CLOCK.advance(3)
    assert "switchgear_ledger_behind_seconds 3" in book.metrics()
    fallible.down = False
    await until(lambda: "switchgear_ledger_rows_total 1" in book.metrics())
    await until(lambda: "switchgear_ledger_behind_seconds 0" in book.metrics())
    assert len(await rows(database)) == 1

    def let_go() -> bool:
        Retention(tmp_path, 1, "keep").enforce()
        return segments(tmp_path) == []

    await until(let_go)
    running.cancel()


async def test_two_journals_in_one_database_do_not_disturb_each_other(
    tmp_path: Path, database: ControlDatabase
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for number, directory in enumerate((here, there)):
        journal = writer(directory)
        journal.append(record(number))
        journal.close()
        await caught_up(directory, database)
    assert len(await rows(database)) == 2
    assert identity(here) != identity(there)
    assert identity(here) == identity(here) == (here / IDENTITY_FILE).read_text()


async def test_the_proof_goes_over_what_was_taken_in_and_no_further(tmp_path: Path, database: ControlDatabase) -> None:
    journal = writer(tmp_path)
    journal.append(record(1))
    await caught_up(tmp_path, database)
    journal.append(record(2))
    book = keeper(tmp_path, database)
    proofs = await book.prove()
    assert [(proof.between, proof.compared, proof.differing) for proof in proofs] == [
        ("journal_ledger", 1, 0),
        ("ledger_totals", 1, 0),
    ]
    journal.close()
    await caught_up(tmp_path, database)
    assert [proof.compared for proof in await book.prove()] == [2, 2]
    assert 'switchgear_reconciliation_difference_nano_usd{between="journal_ledger"} 0' in book.metrics()


def test_what_a_reader_has_read_is_read_again_exactly(tmp_path: Path) -> None:
    for start in range(0, 30, 10):
        journal = writer(tmp_path / "journal", f"g{start}")
        for number in range(start, start + 10):
            journal.append(record(number, error="x" * 100_000))
        journal.close()
    source: JournalReader = reader(tmp_path / "journal")
    seen: list[str] = []
    position: dict[str, int] = {}
    while batch := source.read_batch():
        seen += [told.id for told in batch.records]
        position = batch.position
        again = [told.id for piece in records_up_to(tmp_path / "journal", position) for told in piece]
        assert sorted(again) == sorted(seen)
    assert len(seen) == 30
    assert FileOffsets(tmp_path / "nowhere").load() == {}


async def test_a_record_that_no_row_can_be_made_of_holds_up_no_other(tmp_path: Path, database: ControlDatabase) -> None:
    journal = writer(tmp_path)
    for number in range(5):
        endless = float("inf") if number == 2 else 1.0
        journal.append(record(number, attempts=[attempt(started_ns=NOON_NS + number, audio_seconds=endless)]))
    journal.close()
    book = keeper(tmp_path, database)
    source, name = await book.open()
    await book.take(source, name)
    assert [int(row.call_id, 16) for row in await rows(database)] == [0, 1, 3, 4]
    assert "switchgear_ledger_refused_records_total 1" in book.metrics()
    await caught_up(tmp_path, database)
    assert [line.calls for line in await stated(database)] == [4]
