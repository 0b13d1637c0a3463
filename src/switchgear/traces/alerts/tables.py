"""The tables of alerts, on SQLite and Postgres alike: how each stands, what it went through, and who was told."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

METADATA: Final = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


LEASE: Final = Table(
    "alert_lease",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _text("owner"),
    *map(_number, ("until_ns", "turn")),
)
"""One row: which control process looks at rules, until when, and how often anybody has."""

STATES: Final = Table(
    "alert_states",
    METADATA,
    *map(_text, ("rule", "labels", "project", "state", "knowledge")),
    Column("value", Float),
    _text("episode"),
    *map(_number, ("since_ns", "looked_ns", "known_ns", "met_since_ns", "clear_since_ns", "told_ns")),
    PrimaryKeyConstraint("rule", "labels"),
)

CHANGES: Final = Table(
    "alert_changes",
    METADATA,
    Column("id", Text, primary_key=True),
    _number("at_ns"),
    *map(_text, ("rule", "labels", "project", "before", "after", "knowledge")),
    Column("value", Float),
    *map(_text, ("condition", "severity", "episode", "silence")),
    Index("alert_changes_rule", "rule", "id"),
)
"""Only added to, and cleared away by age; ``silence``: the one that kept it quiet."""

NOTICES: Final = Table(
    "alert_notices",
    METADATA,
    Column("id", Text, primary_key=True),
    _number("at_ns"),
    *map(_text, ("rule", "labels", "project", "receiver", "event", "episode", "state")),
    *(Column(name, Integer, nullable=False) for name in ("tries", "replayed")),
    *map(_number, ("next_ns", "ended_ns")),
    _text("body"),
    Index("alert_notices_state", "state", "id"),
    Index("alert_notices_episode", "episode"),
)
"""One thing that one receiver is to be told. ``state``: ``waiting``, then ``sent`` or ``failed``.

``replayed``: how many tries there had been when somebody last wanted it told once more.
"""

TRIES: Final = Table(
    "alert_tries",
    METADATA,
    _text("notice"),
    Column("number", Integer, nullable=False, autoincrement=False),
    _number("at_ns"),
    _text("outcome"),
    Column("status", Integer, nullable=False),
    _text("error"),
    PrimaryKeyConstraint("notice", "number"),
)
"""Every attempt at a notice; only added to."""

SILENCES: Final = Table(
    "alert_silences",
    METADATA,
    Column("id", Text, primary_key=True),
    *map(_text, ("project", "rule", "labels", "why", "made_by", "ended_by")),
    *map(_number, ("made_ns", "until_ns", "ended_ns")),
    Index("alert_silences_until", "until_ns"),
)
"""Empty ``rule`` or ``labels``: any. ``ended_ns``: 0 unless somebody ended it before its time."""
