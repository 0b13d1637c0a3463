"""What checks for drift found."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "drift_reports",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("drifted", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("drift_reports_at", "drift_reports", ["project", "at_ns", "id"])
