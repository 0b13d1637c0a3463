"""An empty ledger on each engine."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from switchgear.ledger.tables import METADATA

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.service("postgres")))


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    """The ledger's tables, in a file or a schema of their own."""
    if request.param == "sqlite":
        made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
        async with made.begin() as connection:
            await connection.run_sync(METADATA.create_all)
        yield made
        await made.dispose()
        return
    url = request.getfixturevalue("service_url").replace("postgresql://", "postgresql+asyncpg://")
    schema = f"ledger_test_{abs(hash(str(tmp_path))):x}"
    made = create_async_engine(url, connect_args={"server_settings": {"search_path": schema}})
    async with made.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))
        await connection.run_sync(METADATA.create_all)
    yield made
    async with made.begin() as connection:
        await connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    await made.dispose()
