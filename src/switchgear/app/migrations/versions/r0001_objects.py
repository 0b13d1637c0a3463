"""Objects and their versions, the audit log, answers to repeat."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_FIRST_HASH: Final = "0" * 64
_REFUSE_ON_SQLITE: Final = """
CREATE TRIGGER audit_log_no_{event} BEFORE {event} ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END
"""
_REFUSAL_ON_POSTGRES: Final = """
CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is only ever added to'; END $$
"""
_REFUSE_ON_POSTGRES: Final = """
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()
"""


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False)


def upgrade() -> None:
    """Make the first tables."""
    _make_objects()
    _make_audit_log()
    op.create_table(
        "idempotency_keys",
        *_text("who", "key", "request"),
        sa.Column("status", sa.Integer, nullable=False),
        *_text("headers"),
        sa.Column("body", sa.Text),
        _number("made_ns"),
        sa.PrimaryKeyConstraint("who", "key"),
    )
    op.create_index("idempotency_keys_made", "idempotency_keys", ["made_ns"])


def _make_objects() -> None:
    op.create_table(
        "objects",
        *_text("kind"),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        *_text("organisation", "project", "team"),
        _number("version"),
        *_text("body"),
        _number("created_ns"),
        *_text("created_by"),
        _number("updated_ns"),
        *_text("updated_by"),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.create_index("objects_project", "objects", ["kind", "project", "name"])
    op.create_table(
        "object_versions",
        *_text("kind", "name"),
        _number("version"),
        *_text("action", "organisation", "project", "team"),
        sa.Column("body", sa.Text),
        _number("made_ns"),
        *_text("made_by"),
        sa.PrimaryKeyConstraint("kind", "name", "version"),
    )


def _make_audit_log() -> None:
    op.create_table(
        "audit_log",
        _number("number"),
        _number("at_ns"),
        *_text("who_kind", "who", "action", "kind", "name", "project"),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        *_text("address", "user_agent", "request_id", "previous", "hash"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("audit_log_object", "audit_log", ["kind", "name", "number"])
    op.create_index("audit_log_who", "audit_log", ["who", "number"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        _number("count"),
        *_text("hash"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(head, [{"id": 1, "count": 0, "hash": _FIRST_HASH}])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSAL_ON_POSTGRES)
        op.execute(_REFUSE_ON_POSTGRES)
    else:
        for event in ("UPDATE", "DELETE"):
            op.execute(_REFUSE_ON_SQLITE.format(event=event))
