"""Lists of rows, newest first, a page at a time.

A page begins where the last one ended, by time, call and number: one index is read from there on, however many rows
there are. Nothing is counted, and no page is skipped over.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Select, literal, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.ledger.adjustments import Adjustment, latest
from switchgear.ledger.row import Row
from switchgear.ledger.tables import ROWS, TAGS
from switchgear.ledger.totals import SCOPES, TAG

MOST_ROWS: Final = 1000
_PARTS: Final = 3
_LATEST_NS: Final = (1 << 63) - 1
_MOST_ATTEMPTS: Final = (1 << 31) - 1


class Cursor(Struct, frozen=True):
    """The place of a row in a list."""

    at_ns: int
    call_id: str
    attempt: int

    def written(self) -> str:
        """As text, for a client to bring back."""
        return f"{self.at_ns}.{self.call_id}.{self.attempt}"


def read_cursor(written: str) -> Cursor:
    """Raises ValueError for what :meth:`Cursor.written` did not give."""
    parts = written.split(".")
    sound = len(parts) == _PARTS and _is_number(parts[0], _LATEST_NS) and _is_number(parts[2], _MOST_ATTEMPTS)
    if not sound:
        raise ValueError(f"{written[:100]!r} is no cursor of this list")
    return Cursor(int(parts[0]), parts[1], int(parts[2]))


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= most


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rows: of one scope or of all, from a moment on and before another."""

    scope: str = ""
    """One of ``SCOPES``, or ``tag``; empty for all."""
    name: str = ""
    from_ns: int | None = None
    to_ns: int | None = None
    call_id: str = ""


class Entry(Struct, kw_only=True):
    """A row, and what was changed of it since."""

    row: Row
    adjusted: Adjustment | None = None

    def now(self) -> Row:
        """The row with the cost that holds."""
        adjusted = self.adjusted
        if adjusted is None:
            return self.row
        return structs.replace(
            self.row,
            cost_nano_usd=adjusted.new_cost_nano_usd,
            state=adjusted.new_state,
            price=adjusted.new_price,
            lowest_nano_usd=adjusted.new_lowest_nano_usd,
            highest_nano_usd=adjusted.new_highest_nano_usd,
            reason="" if adjusted.new_state == "settled" else self.row.reason,
        )


class Page(Struct, kw_only=True):
    """Some rows, and where the next ones begin; None at the end."""

    entries: list[Entry]
    next: Cursor | None


async def page(connection: AsyncConnection, wanted: Wanted, limit: int, after: Cursor | None = None) -> Page:
    """At most ``limit`` rows after ``after``. Raises ValueError for a scope that there is not."""
    found = await connection.execute(query(wanted, after).limit(limit + 1))
    rows = [Row(**values) for values in found.mappings()]
    more = len(rows) > limit
    rows = rows[:limit]
    adjusted = await latest(connection, {row.call_id for row in rows})
    entries = [Entry(row=row, adjusted=adjusted.get((row.call_id, row.attempt))) for row in rows]
    return Page(entries=entries, next=_place(rows[-1]) if more else None)


def _place(row: Row) -> Cursor:
    return Cursor(row.at_ns, row.call_id, row.attempt)


def query(wanted: Wanted, after: Cursor | None) -> Select[tuple[object, ...]]:
    """The rows after ``after``, in their order. Raises ValueError for a scope that there is not."""
    table = TAGS if wanted.scope == TAG else ROWS
    order = (table.c.at_ns, table.c.call_id, table.c.attempt)
    query = select(ROWS).where(*_conditions(wanted))
    if wanted.scope == TAG:
        same = (TAGS.c.call_id == ROWS.c.call_id) & (TAGS.c.attempt == ROWS.c.attempt)
        query = query.join_from(TAGS, ROWS, same)
    if wanted.from_ns is not None:
        query = query.where(order[0] >= wanted.from_ns)
    if wanted.to_ns is not None:
        query = query.where(order[0] < wanted.to_ns)
    if after is not None:
        # The first says to the planner where the index is entered, the second what is left out there.
        place = tuple_(literal(after.at_ns, order[0].type), after.call_id, literal(after.attempt, order[2].type))
        query = query.where(order[0] <= after.at_ns, tuple_(*order) < place)
    return query.order_by(*(column.desc() for column in order))


def _conditions(wanted: Wanted) -> Iterable[ColumnElement[bool]]:
    if wanted.call_id:
        yield ROWS.c.call_id == wanted.call_id
    if not wanted.scope:
        return
    if wanted.scope == TAG:
        yield TAGS.c.tag == wanted.name
    elif wanted.scope in SCOPES:
        yield ROWS.c[wanted.scope] == wanted.name
        # The index holds only rows that have a name here, and must be told that these do.
        yield literal_column(f"ledger_rows.{wanted.scope}") != literal_column("''")
    else:
        raise ValueError(f"{wanted.scope!r} is no scope; there are {', '.join((*SCOPES, TAG))}")
