"""The table of what checks for drift found, on SQLite and Postgres alike."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

METADATA: Final = MetaData()

REPORTS: Final = Table(
    "drift_reports",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("project", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False, autoincrement=False),
    Column("made_by", Text, nullable=False),
    Column("drifted", Integer, nullable=False, autoincrement=False),
    Column("body", Text, nullable=False),
    Index("drift_reports_at", "project", "at_ns", "id"),
)
"""``body``: a report as JSON."""
