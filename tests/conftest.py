"""What the whole suite shares: how Hypothesis draws, the `long` and `service` markers, and empty engines."""

import gc
import os
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from shutil import copy
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from hypothesis import settings
from sqlalchemy import text

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import upgrade
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.engines.postgres import PostgresDatabase
from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.kernel.ids import secret_hex
from tests.engines.emptied import empty, keep_first_rows
from tests.engines.redis_server import forget

STANDARD_URLS = {"postgres": "postgresql://postgres@127.0.0.1:5432/test", "redis": "redis://127.0.0.1:6379"}
"""Where services are looked for when no variable names them."""
PROBE_SECONDS = 0.5
COLLECTED_AFTER = (10_000, 10, 100)
"""As in a gateway (``processes/gateway.py``)."""
NOBODY = Path(__file__).parent / "nobody.pem"
"""An authority whose key was never kept, for tests that name no other: to read the system's takes a client 20 ms."""
ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.service("postgres")))


# The suite asks the same every time; the long one looks for what nobody has asked yet. Timings decide neither.
settings.register_profile("suite", max_examples=15, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=400, derandomize=False, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "suite")
    os.environ["SSL_CERT_FILE"] = str(NOBODY)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what lives as long as the run out of the collector's sight, which would look at it for every test anew."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    runs_long = bool(config.getoption("--long"))
    for item in items:
        if item.get_closest_marker("long") and not runs_long:
            item.add_marker(pytest.mark.skip(reason="long; run by `make test-long`"))
        for marker in item.iter_markers("service"):
            if not url_of(str(marker.args[0])):
                variable = service_variable(str(marker.args[0]))
                item.add_marker(pytest.mark.skip(reason=f"needs the service that {variable} names"))


def service_variable(name: str) -> str:
    """The environment variable that holds the URL of the service ``name``."""
    return f"SWITCHGEAR_TEST_{name.upper()}_URL"


@cache
def url_of(name: str) -> str:
    """Where the service ``name`` is: where its variable says, else at its standard address, else empty."""
    named = os.environ.get(service_variable(name))
    standard = STANDARD_URLS.get(name, "")
    return named if named is not None else standard if standard and answers(standard) else ""


def answers(url: str) -> bool:
    """Whether somebody listens at ``url``."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), PROBE_SECONDS).close()
    except OSError:
        return False
    return True


@pytest.fixture
def service_url(request: pytest.FixtureRequest) -> str:
    """The URL of the engine that the test's `service` marker names."""
    marker = request.node.get_closest_marker("service")
    if marker is None:
        pytest.fail("a test that takes `service_url` needs the marker `service(name)`")
    return url_of(str(marker.args[0]))


@asynccontextmanager
async def schema_of_its_own(url: str) -> AsyncGenerator[str]:
    """A fresh schema in the Postgres at ``url``, as a URL that leads there; gone at the end."""
    schema = f"switchgear_test_{secret_hex(8)}"
    database = PostgresDatabase(url)
    async with database.write() as connection:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield f"{url}?search_path={schema}"
    finally:
        async with database.write() as connection:
            await connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        await database.aclose()


@pytest.fixture(params=ENGINES)
async def database_place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Control]:
    """The settings of a database that is still empty, on each engine."""
    if request.param == "sqlite":
        yield Control(database=Secret(str(tmp_path / "control.db")))
        return
    async with schema_of_its_own(url_of("postgres")) as url:
        yield Control(database=Secret(url))


@pytest.fixture
async def empty_database(database_place: Control) -> AsyncGenerator[ControlDatabase]:
    """A control database without any table, on each engine."""
    database = open_database(database_place)
    yield database
    await database.aclose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite with all tables and no rows, to be copied: a migration takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "control.db"
    database = open_database(Control(database=Secret(str(path))))
    await upgrade(database)
    await database.aclose()
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_schema() -> AsyncGenerator[str]:
    """The URL of a schema of Postgres with all tables: one test after another has it, and finds it empty."""
    async with schema_of_its_own(url_of("postgres")) as url:
        database = open_database(Control(database=Secret(url)))
        await upgrade(database)
        await keep_first_rows(database)
        await database.aclose()
        yield url


@pytest.fixture(params=ENGINES)
def migrated_place(request: pytest.FixtureRequest, tmp_path: Path) -> Control:
    """The settings of the database of :func:`database`, on each engine."""
    if request.param == "postgres":
        return Control(database=Secret(str(request.getfixturevalue("migrated_schema"))))
    template: Path = request.getfixturevalue("migrated_file")
    for file in template.parent.iterdir():
        copy(file, tmp_path)
    return Control(database=Secret(str(tmp_path / template.name)))


@pytest.fixture
async def database(migrated_place: Control) -> AsyncGenerator[ControlDatabase]:
    """A control database with all tables and no rows, on each engine."""
    database = open_database(migrated_place)
    if migrated_place.on_postgres:
        await empty(database)
    yield database
    await database.aclose()


@pytest.fixture
def prefix() -> str:
    """What the names of a test's own keys in Redis begin with."""
    return f"test-{secret_hex(16)}"


@pytest.fixture
async def client(service_url: str, prefix: str) -> AsyncGenerator[RedisClient]:
    """A client of the Redis that others use too, which forgets at the end what begins with ``prefix``."""
    made = RedisClient(read_address(service_url), timeout_seconds=5)
    await made.open()
    yield made
    await forget(made, prefix)
    await made.aclose()
