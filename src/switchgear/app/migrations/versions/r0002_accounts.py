"""How people log in: passwords, second factors, sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of accounts and sessions."""
    op.create_table(
        "auth_accounts",
        sa.Column("user", sa.Text, primary_key=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("second_factor", sa.LargeBinary),
        sa.Column("begun_factor", sa.LargeBinary),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until_ns", sa.BigInteger, nullable=False),
        sa.Column("changed_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "auth_sessions",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("began_ns", sa.BigInteger, nullable=False),
        sa.Column("ends_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("auth_sessions_user", "auth_sessions", ["user"])
    op.create_index("auth_sessions_ends", "auth_sessions", ["ends_ns"])
