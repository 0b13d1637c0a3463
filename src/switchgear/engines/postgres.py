"""The control database that several machines share: PostgreSQL, through asyncpg (the extra ``postgres``)."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from switchgear.engines.transactions import engine_failures
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Database

_ASYNCPG: Final = import_module("asyncpg")
"""By name, because the driver has no types."""
_CHANNEL: Final = "switchgear_changes"
_TELL: Final = text(f"SELECT pg_notify('{_CHANNEL}', current_schema())")
_CONNECT_SECONDS: Final = 5.0
_STATEMENT_MS: Final = 30_000
_SETTINGS: Final = frozenset(("search_path", "application_name"))
_OF_TLS: Final = "sslmode"


class _Listener(Protocol):
    """A connection of the driver, as far as listening needs it."""

    async def fetchval(self, query: str, /, *, timeout: float | None = None) -> object: ...

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, str], None], /) -> None: ...

    def add_termination_listener(self, callback: Callable[[object], None], /) -> None: ...

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...


class PostgresDatabase:
    """A Database at ``url``: ``postgresql://user:password@host:port/name``.

    Its query may say ``search_path`` (the schema to live in), ``application_name`` and ``sslmode``. No connection is
    made before the first transaction. Raises ConfigError for another query; the message does not repeat the URL.
    """

    def __init__(self, url: str, poll_seconds: float = 1.0) -> None:
        self._address, arguments = _read(url)
        self._arguments = arguments
        self._poll_seconds = poll_seconds
        self._engine = create_async_engine(
            self._address.replace("postgresql://", "postgresql+asyncpg://", 1),
            connect_args={**arguments, "timeout": _CONNECT_SECONDS},
            pool_pre_ping=True,
            pool_timeout=_CONNECT_SECONDS,
            hide_parameters=True,
        )

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        with engine_failures("PostgreSQL"):
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        with engine_failures("PostgreSQL"):
            async with self._engine.begin() as connection:
                yield connection
                await connection.execute(_TELL)

    async def changes(self) -> AsyncGenerator[None]:
        while True:
            yield
            try:
                connection = await self._listener()
            except (OSError, _ASYNCPG.PostgresError, _ASYNCPG.InterfaceError):
                await asyncio.sleep(self._poll_seconds)
                continue
            told = self._told(connection)
            try:
                async for _ in told:
                    yield
            except (OSError, _ASYNCPG.PostgresError, _ASYNCPG.InterfaceError):
                await asyncio.sleep(self._poll_seconds)
            finally:
                await told.aclose()
                connection.terminate()

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def _listener(self) -> _Listener:
        connect = _ASYNCPG.connect
        return cast("_Listener", await connect(self._address, timeout=_CONNECT_SECONDS, **self._arguments))

    async def _told(self, connection: _Listener) -> AsyncGenerator[None]:
        """An item for each word of a writer, until the connection ends, which is an OSError."""
        schema = await connection.fetchval("SELECT current_schema()")
        told = asyncio.Event()

        def hear(connection: object, process: int, channel: str, said: str) -> None:
            if said == schema:
                told.set()

        connection.add_termination_listener(lambda _: told.set())
        await connection.add_listener(_CHANNEL, hear)
        yield  # what was committed while nobody listened
        while True:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await told.wait()
            except TimeoutError:
                # A connection may be dead and not say so.
                await connection.fetchval("SELECT 1", timeout=self._poll_seconds)
                continue
            told.clear()
            if connection.is_closed():
                raise ConnectionError("the connection that listens was closed")
            yield


def _read(url: str) -> tuple[str, dict[str, object]]:
    """The address for the driver, without what it would not understand, and that as its arguments."""
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query))
    unknown = sorted(said.keys() - _SETTINGS - {_OF_TLS})
    if unknown:
        raise ConfigError(f"control.database: PostgreSQL has no {unknown[0]!r} here; there are search_path, sslmode")
    settings = {name: said[name] for name in _SETTINGS & said.keys()}
    arguments: dict[str, object] = {
        "server_settings": {
            "application_name": "switchgear",
            "statement_timeout": str(_STATEMENT_MS),
            **settings,
        }
    }
    if _OF_TLS in said:
        arguments["ssl"] = said[_OF_TLS]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), arguments


if TYPE_CHECKING:
    _: type[Database[AsyncConnection]] = PostgresDatabase
