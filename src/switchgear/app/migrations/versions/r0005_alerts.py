"""Alerts: how each stands, its history, notices and their tries, silences, and who looks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of alerts."""
    lease = op.create_table(
        "alert_lease",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        *_text("owner"),
        *_number("until_ns", "turn"),
    )
    op.bulk_insert(lease, [{"id": 1, "owner": "", "until_ns": 0, "turn": 0}])
    op.create_table(
        "alert_states",
        *_text("rule", "labels", "project", "state", "knowledge"),
        sa.Column("value", sa.Float),
        *_text("episode"),
        *_number("since_ns", "looked_ns", "known_ns", "met_since_ns", "clear_since_ns", "told_ns"),
        sa.PrimaryKeyConstraint("rule", "labels"),
    )
    op.create_table(
        "alert_changes",
        sa.Column("id", sa.Text, primary_key=True),
        *_number("at_ns"),
        *_text("rule", "labels", "project", "before", "after", "knowledge"),
        sa.Column("value", sa.Float),
        *_text("condition", "severity", "episode", "silence"),
    )
    op.create_index("alert_changes_rule", "alert_changes", ["rule", "id"])
    _make_notices()
    op.create_table(
        "alert_silences",
        sa.Column("id", sa.Text, primary_key=True),
        *_text("project", "rule", "labels", "why", "made_by", "ended_by"),
        *_number("made_ns", "until_ns", "ended_ns"),
    )
    op.create_index("alert_silences_until", "alert_silences", ["until_ns"])


def _make_notices() -> None:
    op.create_table(
        "alert_notices",
        sa.Column("id", sa.Text, primary_key=True),
        *_number("at_ns"),
        *_text("rule", "labels", "project", "receiver", "event", "episode", "state"),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("replayed", sa.Integer, nullable=False),
        *_number("next_ns", "ended_ns"),
        *_text("body"),
    )
    op.create_index("alert_notices_state", "alert_notices", ["state", "id"])
    op.create_index("alert_notices_episode", "alert_notices", ["episode"])
    op.create_table(
        "alert_tries",
        *_text("notice"),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        *_number("at_ns"),
        *_text("outcome"),
        sa.Column("status", sa.Integer, nullable=False),
        *_text("error"),
        sa.PrimaryKeyConstraint("notice", "number"),
    )


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _number(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]
