"""Journal, rows, totals and counters are proven against each other; what differs has a name."""

from collections.abc import AsyncIterator

from sqlalchemy import delete, update

from switchgear.app.database import ControlDatabase
from switchgear.kernel.record import CallRecord
from switchgear.ledger.reconciling import Counted, Proof, prove_counters, prove_journal, prove_totals
from switchgear.ledger.statement import days_since_epoch
from switchgear.ledger.tables import ROWS, TOTALS
from tests.ledger.samples import TODAY, attempt, record, taken

DAY = days_since_epoch(TODAY)


async def proven(database: ControlDatabase, *records: CallRecord) -> Proof:
    async def batches() -> AsyncIterator[list[CallRecord]]:
        yield list(records)

    async with database.read() as connection:
        return await prove_journal(connection, batches())


async def test_what_was_taken_in_agrees(database: ControlDatabase) -> None:
    records = [record(1), record(2, attempts=[attempt(), attempt(why="retry")]), record(3, attempts=[])]
    await taken(database, *records)
    proof = await proven(database, *records)
    assert (proof.compared, proof.differing, proof.difference_nano_usd) == (4, 0, 0)
    assert proof.one_nano_usd == proof.other_nano_usd == 3 * 345
    async with database.read() as connection:
        assert (await prove_totals(connection, DAY, DAY + 1)).differing == 0


async def test_a_missing_row_is_named(database: ControlDatabase) -> None:
    await taken(database, record(1), record(2))
    async with database.write() as connection:
        await connection.execute(delete(ROWS).where(ROWS.c.call_id == f"{2:032x}"))
    proof = await proven(database, record(1), record(2))
    assert [(found.what, found.where) for found in proof.findings] == [("missing", f"{2:032x} 1")]
    assert proof.difference_nano_usd == 345


async def test_a_row_that_was_changed_and_one_that_the_journal_does_not_know_are_named(
    database: ControlDatabase,
) -> None:
    await taken(database, record(1), record(2, attempts=[attempt(), attempt()]))
    async with database.write() as connection:
        await connection.execute(update(ROWS).where(ROWS.c.call_id == f"{1:032x}").values(cost_nano_usd=5))
    proof = await proven(database, record(1), record(2))
    assert [(found.what, found.where) for found in proof.findings] == [
        ("different", f"{1:032x} 1"),
        ("foreign", f"{2:032x} 2"),
    ]
    assert proof.difference_nano_usd == 340 + 345


async def test_two_differences_do_not_hide_each_other(database: ControlDatabase) -> None:
    await taken(database, record(1), record(2))
    async with database.write() as connection:
        await connection.execute(update(ROWS).where(ROWS.c.call_id == f"{1:032x}").values(cost_nano_usd=344))
        await connection.execute(update(ROWS).where(ROWS.c.call_id == f"{2:032x}").values(cost_nano_usd=346))
    proof = await proven(database, record(1), record(2))
    assert (proof.one_nano_usd, proof.other_nano_usd, proof.difference_nano_usd) == (690, 690, 2)


async def test_totals_that_were_counted_twice_are_found(database: ControlDatabase) -> None:
    await taken(database, record(1))
    async with database.write() as connection:
        await connection.execute(update(TOTALS).values(attempts=TOTALS.c.attempts * 2))
    async with database.read() as connection:
        (finding,) = (await prove_totals(connection, DAY, DAY + 1)).findings
    assert "1 attempts in rows, 2 in totals" in finding.where


async def test_counters_are_compared_with_the_totals_of_their_days(database: ControlDatabase) -> None:
    await taken(database, record(1), record(2))
    right = Counted(counter="key=bot money day", scope="key", name="bot", from_day=DAY, to_day=DAY + 1, nano_usd=690)
    wrong = Counted(counter="team=x money day", scope="team", name="x", from_day=DAY, to_day=DAY + 1, nano_usd=7)
    async with database.read() as connection:
        proof = await prove_counters(connection, [right, wrong])
    assert [(found.where, found.other_nano_usd) for found in proof.findings] == [("team=x money day", 7)]
    assert proof.difference_nano_usd == 7
