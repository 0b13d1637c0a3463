"""The control database is brought forward by Alembic's revisions, in one transaction, by one process at a time."""

from pathlib import Path
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Database

_LOCK: Final = 0x5377_6974_6368
"""The number of Postgres' advisory lock under which one process migrates; on SQLite the write transaction is it."""


def scripts() -> ScriptDirectory:
    """The revisions that this program has."""
    return ScriptDirectory(Path(__file__).parent)


def newest() -> str:
    """The revision that this program works with."""
    head = scripts().get_current_head()
    assert head is not None
    return head


async def revision(database: Database[AsyncConnection]) -> str | None:
    """The revision that the database is at; None when it is empty. Raises OSError."""
    async with database.read() as connection:
        return await connection.run_sync(_current)


async def upgrade(database: Database[AsyncConnection]) -> tuple[str, ...]:
    """Bring the database forward to :func:`newest`; the revisions that were applied, none when it is there already.

    Raises ConfigError when the database is newer than this program, OSError when it cannot be reached. Either way
    nothing was changed.
    """
    if await revision(database) == newest():
        return ()
    async with database.write() as connection:
        return await connection.run_sync(_upgrade)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> tuple[str, ...]:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    context = MigrationContext.configure(connection)
    current = context.get_current_revision()
    directory = scripts()
    check_known(directory, current)
    applied: list[str] = []
    with Operations.context(context):
        for step in reversed(list(directory.iterate_revisions("head", current or "base"))):
            step.module.upgrade()
            context.stamp(directory, step.revision)
            applied.append(step.revision)
    return tuple(applied)


def check_known(directory: ScriptDirectory, current: str | None) -> None:
    """Raises ConfigError for a revision that is none of this program's: a newer one made it."""
    if current is None:
        return
    try:
        known = directory.get_revision(current)
    except CommandError:
        known = None
    if known is None:
        raise ConfigError(
            f"the control database is at revision {current!r}, which this Switchgear does not know (its newest is "
            f"{directory.get_current_head()!r}): a newer one has migrated it. Run that version, or restore the backup "
            "from before; nothing was changed"
        )
