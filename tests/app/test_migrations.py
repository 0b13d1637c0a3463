"""The control database is brought forward once, by whoever comes first, and never backward."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import newest, revision, upgrade
from switchgear.app.migrations.steps import scripts
from switchgear.auth import tables as of_accounts
from switchgear.batches import tables as of_batches
from switchgear.config.control import Control
from switchgear.kernel.errors import ConfigError
from switchgear.ledger import tables as of_ledger
from switchgear.rest import tables as of_objects
from switchgear.traces import tables as of_traces
from switchgear.traces.alerts import tables as of_alerts
from switchgear.traces.drift import tables as of_drift

OWNED = (
    *(of_objects.METADATA, of_accounts.METADATA, of_ledger.METADATA, of_batches.METADATA),
    *(of_alerts.METADATA, of_traces.METADATA, of_drift.METADATA),
)
"""A slice with tables of its own adds one here and a revision in ``migrations/versions``."""


def all_tables() -> MetaData:
    together = MetaData()
    for owned in OWNED:
        for table in owned.sorted_tables:
            table.to_metadata(together)
    return together


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, all_tables()))


@pytest.fixture
async def database(empty_database: ControlDatabase) -> ControlDatabase:
    """Migrated for one test alone, which may do with it what it likes."""
    await upgrade(empty_database)
    return empty_database


async def test_the_migrated_tables_are_those_that_the_code_declares(database: ControlDatabase) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


def test_the_revisions_form_one_line() -> None:
    assert len(scripts().get_heads()) == 1
    assert all(len(script.nextrev) <= 1 for script in scripts().walk_revisions())


def test_the_files_are_named_by_their_revisions() -> None:
    steps = list(scripts().walk_revisions())
    assert all(Path(step.path).name.startswith(f"r{step.revision}_") for step in steps)
    assert newest() == scripts().get_current_head()


async def test_an_empty_database_gets_every_revision_and_a_new_one_none(empty_database: ControlDatabase) -> None:
    assert await revision(empty_database) is None
    applied = await upgrade(empty_database)
    assert applied[0] == "0001"
    assert applied[-1] == newest()
    assert await upgrade(empty_database) == ()
    assert await revision(empty_database) == newest()


@pytest.fixture
async def several(database_place: Control) -> AsyncGenerator[list[ControlDatabase]]:
    """As many processes that start at once have it."""
    databases = [open_database(database_place) for _ in range(4)]
    yield databases
    for each in databases:
        await each.aclose()


async def test_several_that_start_at_once_migrate_once(several: list[ControlDatabase]) -> None:
    applied = await asyncio.gather(*map(upgrade, several))
    assert sorted(map(bool, applied)) == [False, False, False, True]


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(database: ControlDatabase) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="'9999', which this Switchgear does not know"):
        await upgrade(database)
    assert await revision(database) == "9999"


async def test_a_revision_that_fails_leaves_the_database_as_it_was(empty_database: ControlDatabase) -> None:
    async with empty_database.write() as connection:
        await connection.execute(text("CREATE TABLE idempotency_keys (name TEXT)"))
    with pytest.raises(Exception, match="idempotency_keys"):
        await upgrade(empty_database)
    assert await revision(empty_database) is None
    async with empty_database.read() as connection:
        tables = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync))
    assert tables == ["idempotency_keys"]
