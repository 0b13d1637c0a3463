"""What people say about spans, traces and sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    texts = ("id", "project", "trace_id", "span_id", "session", "author", "text")
    op.create_table(
        "trace_comments",
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        *(sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in ("created_ns", "changed_ns")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trace_comments_at", "trace_comments", ["project", "created_ns", "id"])
    op.create_index("trace_comments_trace", "trace_comments", ["project", "trace_id"])
    op.create_index("trace_comments_session", "trace_comments", ["project", "session"])
