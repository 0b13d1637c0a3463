"""The trace store on SQLite: the contract, and what is its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.ports import TraceStore
from switchgear.testing.trace_store_contract import Opener, TraceStoreContract


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteSpans]:
    store = SqliteSpans(path)
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


class TestSqliteSpans(TraceStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        @asynccontextmanager
        async def fresh() -> AsyncGenerator[TraceStore]:
            with TemporaryDirectory(dir=tmp_path) as folder:
                async with opened(Path(folder) / "traces.db") as store:
                    yield store

        return fresh
