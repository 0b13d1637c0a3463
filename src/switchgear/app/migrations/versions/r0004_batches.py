"""Batches: files, their lines, batches and what became of each of their lines."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of files and batches."""
    op.create_table(
        "batch_files",
        sa.Column("id", sa.Text, primary_key=True),
        *_text("scope", "purpose", "filename", "state", "kind", "batch"),
        *_number("bytes", "lines", "created_ns", "expires_ns"),
    )
    op.create_index("batch_files_scope", "batch_files", ["scope", "id"])
    op.create_index("batch_files_expires", "batch_files", ["expires_ns"])
    op.create_table(
        "batch_file_lines",
        *_text("file"),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("file", "number"),
    )
    _make_batches()
    op.create_table(
        "batch_lines",
        *_text("batch"),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        *_text("custom_id", "state"),
        sa.Column("status", sa.Integer, nullable=False),
        *_text("request_id"),
        sa.Column("response", sa.LargeBinary),
        sa.PrimaryKeyConstraint("batch", "number"),
    )
    op.create_index("batch_lines_state", "batch_lines", ["batch", "state", "number"])


def _make_batches() -> None:
    moments = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    op.create_table(
        "batches",
        sa.Column("id", sa.Text, primary_key=True),
        *_text("scope", "key", "door", "endpoint", "completion_window", "status", "metadata", "errors"),
        *_text("input_file", "output_file", "error_file", "owner"),
        *_number("created_ns", "expires_ns", "lease_until_ns", "results_keep_seconds"),
        *(sa.Column(f"{moment}_ns", sa.BigInteger) for moment in moments),
        *_number("total", "succeeded", "errored", "unfinished"),
    )
    op.create_index("batches_scope", "batches", ["scope", "id"])
    op.create_index("batches_status", "batches", ["status"])


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _number(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]
