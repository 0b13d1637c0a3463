"""Which engine keeps the control data, by what ``control.database`` says."""

from importlib import import_module
from pathlib import Path
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.config.control import Control
from switchgear.engines.sqlite import SqliteDatabase
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Database

ControlDatabase = Database[AsyncConnection]


def open_database(settings: Control) -> ControlDatabase:
    """The database that ``settings`` name; nothing is asked of it yet.

    Raises ConfigError for one that cannot be used: a file that cannot be made, a driver that is not installed.
    """
    place = settings.place
    if settings.on_postgres:
        try:
            # By name, because the driver is an extra that most installations never load.
            module = import_module("switchgear.engines.postgres")
        except ImportError as error:
            raise ConfigError(
                "control.database: asyncpg is not installed; pip install 'switchgear[postgres]'"
            ) from error
        return cast("ControlDatabase", module.PostgresDatabase(place))
    try:
        return SqliteDatabase(Path(place))
    except OSError as error:
        raise ConfigError(f"control.database: {place}: {error.strerror}") from error
