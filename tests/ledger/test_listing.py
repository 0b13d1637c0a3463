"""Lists of rows: newest first, by any scope, page by page."""

import pytest
from sqlalchemy import text

from switchgear.app.database import ControlDatabase
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.record import CallRecord
from switchgear.ledger.listing import Cursor, Wanted, page, query, read_cursor
from switchgear.ledger.service import Ledger
from switchgear.ledger.totals import SCOPES, TAG
from tests.ledger.samples import NOON_NS, attempt, listed, record, taken


def some(first: int, count: int, **changes: object) -> list[CallRecord]:
    return [record(number, **changes) for number in range(first, first + count)]


async def test_the_newest_come_first(database: ControlDatabase) -> None:
    await taken(database, *some(0, 5))
    assert [row.at_ns - NOON_NS for row in await listed(database)] == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("scope", [*SCOPES, TAG])
async def test_a_list_by_scope_holds_only_what_it_names(database: ControlDatabase, scope: str) -> None:
    one, other = record(1, user="u", tags=("a", "b")), record(2, user="u", tags=("b",))
    fields = {"end_user": "user", "tag": "tags"}
    if scope == "provider":
        one = record(1, attempts=[attempt(provider="x", started_ns=NOON_NS + 1)])
    else:
        value = ("x",) if scope == TAG else "x"
        one = record(1, **{"user": "u", "tags": ("a",), fields.get(scope, scope): value})
    await taken(database, one, other)
    assert [row.call_id for row in await listed(database, scope=scope, name="x")] == [one.id]
    assert await listed(database, scope=scope, name="y") == []


async def test_pages_go_on_where_the_last_one_ended_also_among_rows_of_the_same_moment(
    database: ControlDatabase,
) -> None:
    same = [record(number, started_ns=NOON_NS, tags=("t",), attempts=[attempt(), attempt()]) for number in range(7)]
    await taken(database, *same, *some(100, 5, tags=("t",)))
    for wanted in (Wanted(), Wanted(scope="key", name="bot"), Wanted(scope=TAG, name="t")):
        seen: list[tuple[str, int]] = []
        after: Cursor | None = None
        async with database.read() as connection:
            while True:
                found = await page(connection, wanted, 4, after)
                seen += [(entry.row.call_id, entry.row.attempt) for entry in found.entries]
                if found.next is None:
                    break
                after = read_cursor(found.next.written())
        assert len(seen) == len(set(seen)) == 19


async def test_rows_that_come_meanwhile_disturb_no_page(database: ControlDatabase) -> None:
    await taken(database, *some(0, 6))
    async with database.read() as connection:
        first = await page(connection, Wanted(), 3)
    await taken(database, *some(50, 3))
    async with database.read() as connection:
        second = await page(connection, Wanted(), 3, first.next)
    assert [entry.row.at_ns - NOON_NS for entry in second.entries] == [2, 1, 0]


async def test_a_span_of_time_and_a_call_can_be_asked_for(database: ControlDatabase) -> None:
    await taken(database, *some(0, 6))
    found = await listed(database, from_ns=NOON_NS + 2, to_ns=NOON_NS + 4)
    assert [row.at_ns - NOON_NS for row in found] == [3, 2]
    assert [row.call_id for row in await listed(database, call_id=f"{5:032x}")] == [f"{5:032x}"]


async def test_all_rows_come_in_pieces(database: ControlDatabase) -> None:
    await taken(database, *some(0, 2500))
    sizes = [len(rows) async for rows in Ledger(database, SystemClock()).every_row(Wanted())]
    assert sizes == [1000, 1000, 500]


@pytest.mark.parametrize("written", ["", "1.2", "a.b.1", "1.x.y", "-1.x.1", "١.x.1", "1.x.1.2"])
def test_what_is_no_cursor_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        read_cursor(written)


async def test_a_scope_that_there_is_not_is_refused(database: ControlDatabase) -> None:
    with pytest.raises(ValueError, match="no scope"):
        await listed(database, scope="session; DROP TABLE ledger_rows", name="x")


@pytest.mark.parametrize("scope", ["", *SCOPES, TAG])
async def test_a_page_reads_one_index_and_scans_nothing(database: ControlDatabase, scope: str) -> None:
    asked = query(Wanted(scope=scope, name="x" if scope else ""), Cursor(NOON_NS, "0", 1)).limit(51)
    async with database.read() as connection:
        written = str(asked.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
        if connection.dialect.name == "sqlite":
            plan = [str(row[3]) for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {written}"))]
        else:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
            plan = [str(row[0]) for row in await connection.execute(text(f"EXPLAIN {written}"))]
    told = "\n".join(plan)
    index = {"": "ledger_rows_at", TAG: "tag"}.get(scope, f"ledger_rows_{scope}")
    assert index in told
    assert "SCAN ledger_rows\n" not in told
    assert "Seq Scan" not in told
    assert "USE TEMP B-TREE FOR ORDER BY" not in told
