"""The steps from one revision to the next, as Alembic takes them."""

from pathlib import Path
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from switchgear.app.migrations import too_new

_LOCK: Final = 0x5377_6974_6368
"""The number of Postgres' advisory lock under which one process migrates; on SQLite the write transaction is it."""


def scripts() -> ScriptDirectory:
    """The revisions that this program has."""
    return ScriptDirectory(Path(__file__).parent)


def bring_forward(connection: Connection) -> tuple[str, ...]:
    """Apply what is missing, in the transaction that is open; the revisions that were. Raises ConfigError."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    context = MigrationContext.configure(connection)
    current = context.get_current_revision()
    directory = scripts()
    _check_known(directory, current)
    applied: list[str] = []
    with Operations.context(context):
        for step in reversed(list(directory.iterate_revisions("head", current or "base"))):
            step.module.upgrade()
            context.stamp(directory, step.revision)
            applied.append(step.revision)
    return tuple(applied)


def _check_known(directory: ScriptDirectory, current: str | None) -> None:
    """Raises ConfigError for a revision that is none of this program's: a newer one made it."""
    if current is None:
        return
    try:
        known = directory.get_revision(current)
    except CommandError:
        known = None
    if known is None:
        raise too_new(current)
