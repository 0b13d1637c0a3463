"""The control database in one file: SQLite with a write-ahead log, readable by its owner alone."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final, Protocol, cast

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from switchgear.engines.transactions import engine_failures
from switchgear.kernel.ports import Database

_WRITES: Final = "switchgear_writes"
_BUSY_MS: Final = 10_000
"""How long a writer waits for those of other processes."""
_WRITE_AHEAD_LOG: Final = "PRAGMA journal_mode = WAL"
_SETTINGS: Final = (
    f"PRAGMA busy_timeout = {_BUSY_MS}",
    _WRITE_AHEAD_LOG,
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...

    def close(self) -> object: ...


class _DriverConnection(Protocol):
    isolation_level: str | None

    def cursor(self) -> _Cursor: ...


class _Driver(Protocol):
    async def execute_fetchall(self, statement: str, /) -> Iterable[tuple[object, ...]]: ...


class SqliteDatabase:
    """A Database in the file ``path``; its folder is made when there is none.

    Raises OSError when the file cannot be made. ``poll_seconds`` is how often a change by another is looked for.
    """

    def __init__(self, path: Path, poll_seconds: float = 0.2) -> None:
        _make(path)
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}", hide_parameters=True)
        self._poll_seconds = poll_seconds
        self._writing = asyncio.Lock()
        event.listen(self._engine.sync_engine, "connect", _settle)
        event.listen(self._engine.sync_engine, "begin", _begin)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        async with self._connection() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        # SQLite's own waiting is a lottery; within one process the first come is the first served.
        async with self._writing, self._connection() as connection:
            await connection.execution_options(**{_WRITES: True})
            async with connection.begin():
                yield connection

    async def changes(self) -> AsyncGenerator[None]:
        while True:
            versions = self._versions()
            try:
                async for _ in versions:
                    yield
            except OSError:
                yield
                await asyncio.sleep(self._poll_seconds)
            finally:
                await versions.aclose()

    async def aclose(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection]:
        with engine_failures("SQLite"):
            async with self._engine.connect() as connection:
                yield connection

    async def _versions(self) -> AsyncGenerator[None]:
        """An item at once and for each commit by another connection: SQLite counts those for each connection."""
        async with self._connection() as connection:
            driver = cast("_Driver", (await connection.get_raw_connection()).driver_connection)
            seen: object = None
            while True:
                now = await _data_version(driver)
                if now == seen:
                    await asyncio.sleep(self._poll_seconds)
                    continue
                seen = now
                yield


async def _data_version(driver: _Driver) -> object:
    """Asked of the driver in one go: a transaction of SQLAlchemy costs ten times as much, many times a second."""
    try:
        ((version,),) = await driver.execute_fetchall("PRAGMA data_version")
    except sqlite3.Error as error:
        raise ConnectionError(f"the control database (SQLite) cannot be used: {error}") from error
    return version


def _make(path: Path) -> None:
    """The file and its folder, for their owner alone; SQLite gives its log the rights of the file.

    A file that is there is not opened: to close it again would let go of the locks that SQLite holds on it for this
    process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        _check_usable(path)
        return
    # Of several that turn one file to the write-ahead log SQLite refuses all but one at once; so a file gets its name
    # when it is turned already, and the first name stays.
    with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", suffix=".new") as new:
        with closing(sqlite3.connect(new.name)) as connection:
            connection.execute(_WRITE_AHEAD_LOG)
        with suppress(FileExistsError):
            os.link(new.name, path)


def _check_usable(path: Path) -> None:
    if not path.is_file():
        raise OSError(errno.EINVAL, "is not a file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _settle(connection: _DriverConnection, entry: ConnectionPoolEntry) -> None:
    # Python's driver begins transactions by guessing from the statement; `_begin` begins them instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes can fail without having waited for its turn.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


if TYPE_CHECKING:
    _: type[Database[AsyncConnection]] = SqliteDatabase
