"""Scores, spans that are told in pieces, and media that messages refer to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "trace_scores",
        *_text("project", "id"),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        *_text("target", "trace_id", "span_id", "session", "name", "data_type"),
        sa.Column("number", sa.Float),
        *_text("text", "source", "author", "door", "environment", "comment", "metadata"),
        sa.Column("withdrawn", sa.Integer, nullable=False, autoincrement=False),
        *_number("at_ns", "created_ns"),
        sa.PrimaryKeyConstraint("project", "id", "version"),
    )
    op.create_index("trace_scores_at", "trace_scores", ["project", "at_ns", "id"])
    op.create_index("trace_scores_trace", "trace_scores", ["project", "trace_id"])
    op.create_index("trace_scores_span", "trace_scores", ["project", "span_id"])
    op.create_index("trace_scores_session", "trace_scores", ["project", "session"])
    op.create_table(
        "trace_drafts",
        *_text("project", "door", "id", "trace"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        *_number("changed_ns"),
        sa.PrimaryKeyConstraint("project", "door", "id"),
    )
    op.create_index("trace_drafts_trace", "trace_drafts", ["project", "door", "trace"])
    op.create_index("trace_drafts_changed", "trace_drafts", ["door", "changed_ns"])
    op.create_table(
        "trace_media",
        *_text("project", "id", "digest", "content_type"),
        *_number("bytes"),
        *_text("token", "state"),
        *_number("created_ns", "uploaded_ns"),
        sa.PrimaryKeyConstraint("project", "id"),
    )
    op.create_index("trace_media_digest", "trace_media", ["digest"])


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _number(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]
