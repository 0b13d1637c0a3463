"""The ledger: rows, tags, totals, positions in journals, adjustments."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the ledger's tables."""
    _make_rows()
    op.create_table(
        "ledger_tags",
        *_text("tag"),
        *_number("at_ns"),
        *_text("call_id"),
        _small("attempt"),
        sa.PrimaryKeyConstraint("tag", "at_ns", "call_id", "attempt"),
    )
    op.create_table(
        "ledger_totals",
        _small("day"),
        *_text("scope", "name", "model", "state"),
        *_number("calls", "attempts", "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"),
        *_number("audio_input", "audio_output", "image_input", "audio_ms", "characters", "images"),
        *_number("cost_nano_usd", "lowest_nano_usd", "highest_nano_usd", "unbounded"),
        sa.PrimaryKeyConstraint("scope", "name", "day", "model", "state"),
    )
    op.create_index("ledger_totals_day", "ledger_totals", ["scope", "day"])
    op.create_table(
        "ledger_positions",
        *_text("journal", "segment"),
        *_number("position"),
        sa.PrimaryKeyConstraint("journal", "segment"),
    )
    op.create_table(
        "ledger_adjustments",
        *_text("call_id"),
        _small("attempt"),
        _small("number"),
        *_number("made_at_ns"),
        *_text("old_state", "new_state", "old_price", "new_price"),
        *_number("old_cost_nano_usd", "new_cost_nano_usd", "old_lowest_nano_usd", "new_lowest_nano_usd"),
        sa.Column("old_highest_nano_usd", sa.BigInteger),
        sa.Column("new_highest_nano_usd", sa.BigInteger),
        sa.PrimaryKeyConstraint("call_id", "attempt", "number"),
    )


def _make_rows() -> None:
    op.create_table(
        "ledger_rows",
        *_text("call_id"),
        _small("attempt"),
        *_number("at_ns"),
        _small("day"),
        *_text("key", "owner", "team", "project", "organisation", "end_user", "session", "tags"),
        *_text("model", "deployment", "provider", "upstream_model", "operation", "door", "why"),
        _small("status"),
        *_text("outcome", "error"),
        *_number("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"),
        *_number("audio_input", "audio_output", "image_input"),
        *_text("usage_state"),
        *_number("audio_ms", "characters", "images", "cost_nano_usd"),
        *_text("state", "reason"),
        *_number("lowest_nano_usd"),
        sa.Column("highest_nano_usd", sa.BigInteger),
        sa.Column("bounds", sa.Text),
        *_text("price", "service", "upstream_id", "shadow_of", "gateway", "config"),
        *_number("duration_ns"),
        sa.PrimaryKeyConstraint("call_id", "attempt"),
    )
    op.create_index("ledger_rows_at", "ledger_rows", ["at_ns"])
    for scope in ("key", "owner", "team", "project", "organisation", "end_user", "model", "provider"):
        named = sa.text(f"{scope} <> ''")
        op.create_index(
            f"ledger_rows_{scope}",
            "ledger_rows",
            [scope, "at_ns"],
            sqlite_where=named,
            postgresql_where=named,
        )


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _number(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, autoincrement=False)
