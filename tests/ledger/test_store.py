"""Rows, totals and position are written together, once."""

import pytest
from msgspec import structs
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from switchgear.app.database import ControlDatabase
from switchgear.ledger.bulk import insert_all
from switchgear.ledger.row import rows_of
from switchgear.ledger.store import position_of, take
from switchgear.ledger.tables import ROWS
from tests.ledger.samples import attempt, record, rows, stated, taken


async def test_rows_come_back_as_they_were_written(database: ControlDatabase) -> None:
    told = record(
        user="u", session="s", tags=("a", "b"), attempts=[attempt(), attempt(why="retry", highest_nano_usd=1)]
    )
    assert await taken(database, told) == 2
    assert await rows(database) == list(rows_of(told))


async def test_records_that_come_again_add_nothing(database: ControlDatabase) -> None:
    assert await taken(database, record(1), record(2)) == 2
    before = await stated(database)
    assert await taken(database, record(1), record(2), record(1)) == 0
    assert await taken(database, record(2), record(3)) == 1
    assert len(await rows(database)) == 3
    (line,) = await stated(database)
    assert (line.calls, line.cost_nano_usd) == (before[0].calls + 1, before[0].cost_nano_usd + 345)


async def test_upstream_ids_that_collide_or_are_empty_lose_no_row(database: ControlDatabase) -> None:
    same = [record(number, attempts=[attempt(upstream_id="chatcmpl-1" if number % 2 else "")]) for number in range(10)]
    assert await taken(database, *same) == 10


async def test_the_position_is_that_of_the_last_rows(database: ControlDatabase) -> None:
    async with database.write() as connection:
        await take(connection, "here", [record(1)], {"a": 10, "b": 20})
        await take(connection, "there", [], {"a": 7})
        await take(connection, "here", [record(2)], {"b": 30, "c": 5})
        assert await position_of(connection, "here") == {"b": 30, "c": 5}
        assert await position_of(connection, "there") == {"a": 7}


async def test_rows_and_position_are_taken_back_together(database: ControlDatabase) -> None:
    async def broken() -> None:
        async with database.write() as connection:
            await take(connection, "here", [record(1)], {"a": 10})
            raise ValueError("killed")

    with pytest.raises(ValueError, match="killed"):
        await broken()
    assert await rows(database) == []
    assert await stated(database) == []
    async with database.read() as connection:
        assert await position_of(connection, "here") == {}


async def test_of_two_who_write_the_same_row_one_fails(database: ControlDatabase) -> None:
    await taken(database, record(1))
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await insert_all(connection, ROWS, [structs.astuple(row) for row in rows_of(record(1))])
    assert len(await rows(database)) == 1


async def test_many_records_at_once(database: ControlDatabase) -> None:
    assert await taken(database, *(record(number) for number in range(2500))) == 2500
    assert await taken(database, *(record(number) for number in range(2500))) == 0
    async with database.read() as connection:
        assert (await connection.execute(select(func.sum(ROWS.c.cost_nano_usd)))).scalar_one() == 2500 * 345
