"""The contract of the port Database: subclass :class:`DatabaseContract` in a test module and give the fixtures
``database`` and ``other``: two objects on one and the same empty database, as two processes have them.
"""

import asyncio
from contextlib import suppress
from typing import Final

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.ports import Database

Sql = Database[AsyncConnection]
_METADATA: Final = MetaData()
_SHEET: Final = Table("sheet", _METADATA, Column("name", Text, primary_key=True), Column("count", BigInteger))
_SOON_SECONDS: Final = 10.0
"""Far more than an engine may take; only a test that fails waits so long."""


async def _names(database: Sql) -> list[str]:
    async with database.read() as connection:
        return [row.name for row in await connection.execute(select(_SHEET.c.name).order_by(_SHEET.c.name))]


async def _add(database: Sql, name: str, count: int = 0) -> None:
    async with database.write() as connection:
        await connection.execute(insert(_SHEET), {"name": name, "count": count})


class DatabaseContract:
    """What the product relies on, for every engine."""

    @pytest.fixture(autouse=True)
    async def sheet(self, database: Sql) -> None:
        """One table."""
        async with database.write() as connection:
            await connection.run_sync(_METADATA.create_all)

    async def test_what_one_process_committed_another_reads(self, database: Sql, other: Sql) -> None:
        await _add(database, "größe €")
        assert await _names(other) == ["größe €"]

    async def test_a_block_that_raises_changes_nothing(self, database: Sql, other: Sql) -> None:
        with suppress(ZeroDivisionError):
            async with database.write() as connection:
                await connection.execute(insert(_SHEET), {"name": "lost", "count": 1})
                raise ZeroDivisionError
        assert await _names(other) == []

    async def test_tables_that_were_made_in_a_block_that_raises_are_gone(self, database: Sql) -> None:
        table = Table("half", MetaData(), Column("name", Text))
        with suppress(ZeroDivisionError):
            async with database.write() as connection:
                await connection.run_sync(table.metadata.create_all)
                raise ZeroDivisionError
        async with database.write() as connection:
            await connection.run_sync(table.create)

    async def test_a_statement_that_is_refused_is_no_failure_of_the_engine(self, database: Sql) -> None:
        await _add(database, "twice")
        with pytest.raises(IntegrityError):
            await _add(database, "twice")

    async def test_a_reader_sees_one_state_however_long_it_reads(self, database: Sql, other: Sql) -> None:
        await _add(database, "before")
        async with database.read() as connection:
            first = (await connection.execute(select(_SHEET.c.name))).all()
            await _add(other, "meanwhile")
            assert (await connection.execute(select(_SHEET.c.name))).all() == first

    async def test_many_writers_in_two_processes_lose_no_change(self, database: Sql, other: Sql) -> None:
        await _add(database, "counter")

        async def count(one: Sql) -> None:
            async with one.write() as connection:
                asked = select(_SHEET.c.count).where(_SHEET.c.name == "counter").with_for_update()
                found = (await connection.execute(asked)).scalar_one()
                await connection.execute(update(_SHEET).where(_SHEET.c.name == "counter").values(count=found + 1))

        await asyncio.gather(*(count(one) for _ in range(20) for one in (database, other)))
        async with database.read() as connection:
            assert (await connection.execute(select(_SHEET.c.count))).scalar_one() == 40

    async def test_a_change_by_another_process_is_told(self, database: Sql, other: Sql) -> None:
        changes = database.changes()
        async with asyncio.timeout(_SOON_SECONDS):
            await anext(changes)
            for number in range(3):
                await _add(other, f"row {number}")
                while len(await _names(database)) <= number:
                    await anext(changes)
                await anext(changes)
        await changes.aclose()

    async def test_a_change_by_this_process_is_told_too(self, database: Sql) -> None:
        changes = database.changes()
        async with asyncio.timeout(_SOON_SECONDS):
            await anext(changes)
            waiting = asyncio.ensure_future(anext(changes))
            await _add(database, "row")
            await waiting
        await changes.aclose()
