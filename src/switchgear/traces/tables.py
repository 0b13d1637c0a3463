"""The tables of what is kept about traces beside their spans, on SQLite and Postgres alike.

Scores are only ever added: one that is sent again with other words is another version of it, and the newest counts.
They stand in the control database and not with the spans, because they come and change by themselves, and because
people make them.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

METADATA: Final = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, autoincrement=False)


SCORES: Final = Table(
    "trace_scores",
    METADATA,
    *map(_text, ("project", "id")),
    Column("version", Integer, nullable=False, autoincrement=False),
    *map(_text, ("target", "trace_id", "span_id", "session", "name", "data_type")),
    Column("number", Float),
    *map(_text, ("text", "source", "author", "door", "environment", "comment", "metadata")),
    Column("withdrawn", Integer, nullable=False, autoincrement=False),
    *map(_number, ("at_ns", "created_ns")),
    PrimaryKeyConstraint("project", "id", "version"),
    Index("trace_scores_at", "project", "at_ns", "id"),
    Index("trace_scores_trace", "project", "trace_id"),
    Index("trace_scores_span", "project", "span_id"),
    Index("trace_scores_session", "project", "session"),
)

DRAFTS: Final = Table(
    "trace_drafts",
    METADATA,
    *map(_text, ("project", "door", "id", "trace")),
    Column("body", LargeBinary, nullable=False),
    _number("changed_ns"),
    PrimaryKeyConstraint("project", "door", "id"),
    Index("trace_drafts_trace", "project", "door", "trace"),
    Index("trace_drafts_changed", "door", "changed_ns"),
)
"""What senders that tell a span in several requests have said of it so far: JSON, under Zstandard."""

MEDIA: Final = Table(
    "trace_media",
    METADATA,
    *map(_text, ("project", "id", "digest", "content_type")),
    _number("bytes"),
    *map(_text, ("token", "state")),
    *map(_number, ("created_ns", "uploaded_ns")),
    Column("used_ns", BigInteger, nullable=False, autoincrement=False, server_default="0"),
    PrimaryKeyConstraint("project", "id"),
    Index("trace_media_digest", "digest"),
)
"""Pictures, sounds and files that messages refer to; ``state``: ``expected``, then ``here``.

``digest`` is the SHA-256 in hexadecimal digits, and names the file that holds the bytes. ``used_ns``: when somebody
last told of it.
"""

MEDIA_USES: Final = Table(
    "trace_media_uses",
    METADATA,
    *map(_text, ("project", "media", "trace_id")),
    PrimaryKeyConstraint("project", "media", "trace_id"),
    Index("trace_media_uses_trace", "project", "trace_id"),
)
"""The traces that told of a medium."""

COMMENTS: Final = Table(
    "trace_comments",
    METADATA,
    *map(_text, ("id", "project", "trace_id", "span_id", "session", "author", "text")),
    *map(_number, ("created_ns", "changed_ns")),
    PrimaryKeyConstraint("id"),
    Index("trace_comments_at", "project", "created_ns", "id"),
    Index("trace_comments_trace", "project", "trace_id"),
    Index("trace_comments_session", "project", "session"),
)
"""What people say; unlike scores, a comment that is changed or deleted leaves nothing but a line in the audit log."""
