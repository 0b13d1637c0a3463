"""Which traces media belong to, and when they were last told of."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, of which 0 is the age that nobody noted, and make the table."""
    op.add_column("trace_media", sa.Column("used_ns", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "trace_media_uses",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("project", "media", "trace_id")),
        sa.PrimaryKeyConstraint("project", "media", "trace_id"),
    )
    op.create_index("trace_media_uses_trace", "trace_media_uses", ["project", "trace_id"])
