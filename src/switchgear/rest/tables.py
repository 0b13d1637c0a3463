"""The tables of what is managed, on SQLite and Postgres alike: objects and versions, the audit log, answers.

Bodies are JSON as text, byte for byte as they were written, because the audit log is a chain over them.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

METADATA: Final = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, autoincrement=False)


def _name() -> Column[str]:
    """By its bytes on both engines: lists go in the same order everywhere."""
    return Column("name", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False)


OBJECTS: Final = Table(
    "objects",
    METADATA,
    _text("kind"),
    _name(),
    *map(_text, ("organisation", "project", "team")),
    _number("version"),
    _text("body"),
    _number("created_ns"),
    _text("created_by"),
    _number("updated_ns"),
    _text("updated_by"),
    PrimaryKeyConstraint("kind", "name"),
    Index("objects_project", "kind", "project", "name"),
)
"""What there is now."""

VERSIONS: Final = Table(
    "object_versions",
    METADATA,
    *map(_text, ("kind", "name")),
    _number("version"),
    *map(_text, ("action", "organisation", "project", "team")),
    Column("body", Text),
    _number("made_ns"),
    _text("made_by"),
    PrimaryKeyConstraint("kind", "name", "version"),
)
"""Everything there ever was; without a body where the object was deleted."""

AUDIT: Final = Table(
    "audit_log",
    METADATA,
    _number("number"),
    _number("at_ns"),
    *map(_text, ("who_kind", "who", "action", "kind", "name", "project")),
    Column("before", Text),
    Column("after", Text),
    *map(_text, ("address", "user_agent", "request_id", "previous", "hash")),
    PrimaryKeyConstraint("number"),
    Index("audit_log_object", "kind", "name", "number"),
    Index("audit_log_who", "who", "number"),
)
"""What was changed, by whom: rows are only ever added, each with the hash of the one before."""

AUDIT_HEAD: Final = Table(
    "audit_head",
    METADATA,
    Column("id", Integer, nullable=False, autoincrement=False),
    _number("count"),
    _text("hash"),
    PrimaryKeyConstraint("id"),
)
"""One row: how long the chain is, and its last hash. Whoever adds to the chain holds it."""

ANSWERS: Final = Table(
    "idempotency_keys",
    METADATA,
    *map(_text, ("who", "key", "request")),
    Column("status", Integer, nullable=False),
    _text("headers"),
    Column("body", Text),
    _number("made_ns"),
    PrimaryKeyConstraint("who", "key"),
    Index("idempotency_keys_made", "made_ns"),
)
"""Answers to requests with an idempotency key; without a body where it held a secret."""
