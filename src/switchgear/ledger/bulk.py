"""Statements for many rows at once, as the drivers take them: their parameters in the order of the columns.

The expression language makes a dictionary of parameters for every row, which costs more than writing it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

Values = list[tuple[Any, ...]]


async def insert_all(connection: AsyncConnection, table: Table, values: Values) -> None:
    """Insert rows of which each names all columns, in their order. Raises IntegrityError where one is there already."""
    await connection.exec_driver_sql(_insert(connection, table), values)


async def add_all(connection: AsyncConnection, table: Table, amounts: Sequence[str], values: Values) -> None:
    """Insert rows, or add ``amounts`` to those that are there already."""
    key = ", ".join(column.name for column in table.primary_key)
    sums = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in amounts)
    statement = f"{_insert(connection, table)} ON CONFLICT ({key}) DO UPDATE SET {sums}"
    await connection.exec_driver_sql(statement, values)


def _insert(connection: AsyncConnection, table: Table) -> str:
    names = [column.name for column in table.columns]
    numbered = connection.dialect.paramstyle == "numeric_dollar"
    places = (f"${number}" if numbered else "?" for number, _ in enumerate(names, 1))
    # Names are those of the ledger's own tables.
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(places)})"  # noqa: S608
