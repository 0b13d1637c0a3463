"""The ledger's tables, on SQLite and Postgres alike.

Rows are only ever added. A listing by scope reads one index from its end: names are kept in an index only where a row
has one, so that an installation without teams pays nothing for lists of teams.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text, text

from switchgear.ledger.row import BUCKETS
from switchgear.ledger.totals import AMOUNTS, SCOPES

METADATA: Final = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _listed_by(scope: str) -> Index:
    named = text(f"{scope} <> ''")
    return Index(f"ledger_rows_{scope}", scope, "at_ns", sqlite_where=named, postgresql_where=named)


ROWS: Final = Table(
    "ledger_rows",
    METADATA,
    _text("call_id"),
    Column("attempt", Integer, nullable=False, autoincrement=False),
    _number("at_ns"),
    Column("day", Integer, nullable=False),
    *map(_text, ("key", "owner", "team", "project", "organisation", "end_user", "session", "tags")),
    *map(_text, ("model", "deployment", "provider", "upstream_model", "operation", "door", "why")),
    Column("status", Integer, nullable=False),
    *map(_text, ("outcome", "error")),
    *map(_number, BUCKETS),
    _text("usage_state"),
    *map(_number, ("audio_ms", "characters", "images", "cost_nano_usd")),
    *map(_text, ("state", "reason")),
    _number("lowest_nano_usd"),
    Column("highest_nano_usd", BigInteger),
    Column("bounds", Text),
    *map(_text, ("price", "service", "upstream_id", "shadow_of", "gateway", "config")),
    _number("duration_ns"),
    PrimaryKeyConstraint("call_id", "attempt"),
    Index("ledger_rows_at", "at_ns"),
    *map(_listed_by, SCOPES),
)
TAGS: Final = Table(
    "ledger_tags",
    METADATA,
    _text("tag"),
    _number("at_ns"),
    _text("call_id"),
    Column("attempt", Integer, nullable=False, autoincrement=False),
    PrimaryKeyConstraint("tag", "at_ns", "call_id", "attempt"),
)
"""Which rows have a tag; with their time, so that a list by tag reads one index too."""

TOTALS: Final = Table(
    "ledger_totals",
    METADATA,
    Column("day", Integer, nullable=False, autoincrement=False),
    *map(_text, ("scope", "name", "model", "state")),
    *map(_number, AMOUNTS),
    PrimaryKeyConstraint("scope", "name", "day", "model", "state"),
    Index("ledger_totals_day", "scope", "day"),
)

POSITIONS: Final = Table(
    "ledger_positions",
    METADATA,
    _text("journal"),
    _text("segment"),
    _number("position"),
    PrimaryKeyConstraint("journal", "segment"),
)
"""How far each journal was taken in: changed in the transaction of its rows."""

ADJUSTMENTS: Final = Table(
    "ledger_adjustments",
    METADATA,
    _text("call_id"),
    Column("attempt", Integer, nullable=False, autoincrement=False),
    Column("number", Integer, nullable=False, autoincrement=False),
    _number("made_at_ns"),
    *map(_text, ("old_state", "new_state", "old_price", "new_price")),
    *map(_number, ("old_cost_nano_usd", "new_cost_nano_usd", "old_lowest_nano_usd", "new_lowest_nano_usd")),
    *(Column(name, BigInteger) for name in ("old_highest_nano_usd", "new_highest_nano_usd")),
    PrimaryKeyConstraint("call_id", "attempt", "number"),
)
"""What a row costs under another table of prices: the last one holds, and the row itself stays as it was written."""
