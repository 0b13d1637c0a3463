"""Writing the ledger: rows, their totals and the position in the journal, in one transaction.

What was taken in is known by its call: records that come again (a position was lost, a copy of a journal was put back)
add nothing. Two writers who take in the same records at once meet at the primary key: one of them fails, whole, and
finds them there when it comes again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import json, structs
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.record import CallRecord
from switchgear.ledger.bulk import add_all, insert_all
from switchgear.ledger.row import Row, rows_of
from switchgear.ledger.tables import POSITIONS, ROWS, TAGS, TOTALS
from switchgear.ledger.totals import AMOUNTS, Totals

_AT_ONCE: Final = 1000
"""Parameters of one look-up: SQLite takes 32,766, and Postgres as many."""


async def take(
    connection: AsyncConnection, journal: str, records: Iterable[CallRecord], position: Mapping[str, int]
) -> int:
    """Add what ``records`` leave, and keep ``position`` as that in ``journal``; how many rows are new.

    To be committed by the caller, in one piece.
    """
    rows = {(row.call_id, row.attempt): row for record in records for row in rows_of(record)}
    known = await _known(connection, {call_id for call_id, _ in rows})
    fresh = [row for place, row in rows.items() if place not in known]
    if fresh:
        await insert_all(connection, ROWS, [structs.astuple(row) for row in fresh])
        await _tag(connection, fresh)
        totals = Totals()
        totals.add(fresh)
        await add_totals(connection, totals)
    await _move(connection, journal, position)
    return len(fresh)


async def position_of(connection: AsyncConnection, journal: str) -> dict[str, int]:
    """How far ``journal`` was taken in, by segment."""
    asked = select(POSITIONS.c.segment, POSITIONS.c.position).where(POSITIONS.c.journal == journal)
    found = await connection.execute(asked)
    return {row.segment: row.position for row in found}


async def add_totals(connection: AsyncConnection, totals: Totals) -> None:
    """Add amounts to what stands in the totals."""
    values = [(*place, *amounts) for place, amounts in totals]
    if values:
        await add_all(connection, TOTALS, AMOUNTS, values)


async def _known(connection: AsyncConnection, calls: set[str]) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for some in _pieces(sorted(calls)):
        asked = select(ROWS.c.call_id, ROWS.c.attempt).where(ROWS.c.call_id.in_(some))
        found.update((row.call_id, row.attempt) for row in await connection.execute(asked))
    return found


async def _tag(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    tagged = [
        (tag, row.at_ns, row.call_id, row.attempt)
        for row in rows
        if row.tags != "[]"
        for tag in set(json.decode(row.tags, type=list[str]))
    ]
    if tagged:
        await insert_all(connection, TAGS, tagged)


async def _move(connection: AsyncConnection, journal: str, position: Mapping[str, int]) -> None:
    before = await position_of(connection, journal)
    moved = [segment for segment, at in position.items() if before.get(segment) != at]
    gone = [segment for segment in before if segment not in position]
    for some in _pieces([segment for segment in moved if segment in before] + gone):
        old = POSITIONS.c.segment.in_(some)
        await connection.execute(delete(POSITIONS).where(POSITIONS.c.journal == journal, old))
    if moved:
        await insert_all(connection, POSITIONS, [(journal, segment, position[segment]) for segment in moved])


def _pieces(names: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(names), _AT_ONCE):
        yield names[at : at + _AT_ONCE]
