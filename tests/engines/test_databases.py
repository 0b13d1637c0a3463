"""The engines behind the port Database: the contract, and what is each one's own."""

import asyncio
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text

from switchgear.app.database import ControlDatabase, open_database
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.engines.postgres import PostgresDatabase
from switchgear.engines.sqlite import SqliteDatabase
from switchgear.kernel.errors import ConfigError
from switchgear.testing.database_contract import DatabaseContract


class TestEachEngine(DatabaseContract):
    @pytest.fixture
    def database(self, empty_database: ControlDatabase) -> ControlDatabase:
        return empty_database

    @pytest.fixture
    async def other(self, database_place: Control) -> AsyncGenerator[ControlDatabase]:
        made = open_database(database_place)
        yield made
        await made.aclose()


async def test_the_file_and_its_logs_are_their_owners_alone(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "data" / "control.db")
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE one (name TEXT)"))
    files = sorted((tmp_path / "data").iterdir())
    assert [path.name for path in files] == ["control.db", "control.db-shm", "control.db-wal"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    await database.aclose()


async def test_a_file_that_is_no_database_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "control.db").write_bytes(b"no database" * 1000)
    database = SqliteDatabase(tmp_path / "control.db")
    with pytest.raises(OSError, match="SQLite"):
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
    await database.aclose()


def test_a_file_that_cannot_be_made_is_refused_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"file/control\.db: "):
        open_database(Control(database=Secret(str(tmp_path / "file" / "control.db"))))


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        open_database(Control(database=Secret(str(tmp_path))))


async def test_several_that_make_the_file_at_once_all_use_one_that_has_its_log(tmp_path: Path) -> None:
    databases = await asyncio.gather(*(asyncio.to_thread(SqliteDatabase, tmp_path / "control.db") for _ in range(8)))
    assert [path.name for path in tmp_path.iterdir()] == ["control.db"]
    assert (tmp_path / "control.db").read_bytes()[18:20] == b"\x02\x02", "the format's mark of a write-ahead log"
    await asyncio.gather(*(count_one_more(database) for database in databases))
    async with databases[0].read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM one"))).scalar_one() == len(databases)
    for database in databases:
        await database.aclose()


async def count_one_more(database: SqliteDatabase) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS one (name TEXT)"))
        await connection.execute(text("INSERT INTO one VALUES ('more')"))


async def test_a_server_that_is_not_there_is_an_os_error_and_changes_go_on_asking() -> None:
    database = PostgresDatabase("postgresql://nobody@127.0.0.1:9/none", poll_seconds=0.01)
    with pytest.raises(OSError, match=r"."):
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
    changes = database.changes()
    for _ in range(3):
        await anext(changes)
    await changes.aclose()
    await database.aclose()


def test_a_word_in_the_url_that_means_nothing_is_refused_without_the_password() -> None:
    with pytest.raises(ConfigError, match="'colour'") as caught:
        PostgresDatabase("postgresql://me:hunter22@localhost/x?colour=blue")
    assert "hunter22" not in str(caught.value)
