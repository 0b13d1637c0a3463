"""The control database is brought forward by Alembic's revisions, in one transaction, by one process at a time."""

from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Database

_AT: Final = table("alembic_version", column("version_num"))


class _Steps(Protocol):
    def bring_forward(self, connection: Connection) -> tuple[str, ...]: ...


def newest() -> str:
    """The revision that this program works with: the files of the revisions are named by them."""
    return max(_known())


async def revision(database: Database[AsyncConnection]) -> str | None:
    """The revision that the database is at; None when it is empty. Raises OSError."""
    async with database.read() as connection:
        return await connection.run_sync(_current)


async def require_newest(database: Database[AsyncConnection]) -> None:
    """Raise ConfigError unless the database is at :func:`newest`; for whoever only looks. Raises OSError."""
    found = await revision(database)
    if found == newest():
        return
    if found is not None and found not in _known():
        raise too_new(found)
    raise ConfigError(
        f"the control database is at revision {found or 'none'}, and this needs {newest()}; "
        "`switchgear serve` brings it forward, and so does `switchgear database upgrade`"
    )


def too_new(found: str) -> ConfigError:
    """Why a database at the revision ``found``, which is none of this program's, is left alone."""
    return ConfigError(
        f"the control database is at revision {found!r}, which this Switchgear does not know (its newest is "
        f"{newest()!r}): a newer one has migrated it. Run that version, or restore the backup from before; nothing "
        "was changed"
    )


async def upgrade(database: Database[AsyncConnection]) -> tuple[str, ...]:
    """Bring the database forward to :func:`newest`; the revisions that were applied, none when it is there already.

    Raises ConfigError when the database is newer than this program, OSError when it cannot be reached. Either way
    nothing was changed.
    """
    if await revision(database) == newest():
        return ()
    # By name, because Alembic takes a quarter of a second to load, and most starts find nothing to do.
    steps = cast("_Steps", import_module("switchgear.app.migrations.steps"))
    async with database.write() as connection:
        return await connection.run_sync(steps.bring_forward)


def _known() -> frozenset[str]:
    files = (Path(__file__).parent / "versions").glob("r*.py")
    return frozenset(path.name.partition("_")[0].removeprefix("r") for path in files)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_AT.name):
        return None
    return connection.execute(select(_AT.c.version_num)).scalar_one_or_none()
