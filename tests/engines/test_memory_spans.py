"""The store that stands in for engines in tests keeps their contract."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from switchgear.kernel.ports import TraceStore
from switchgear.testing.trace_store_contract import Opener, TraceStoreContract
from tests.memory_spans import MemorySpans


class TestMemorySpans(TraceStoreContract):
    @pytest.fixture
    def opener(self) -> Opener:
        @asynccontextmanager
        async def fresh() -> AsyncGenerator[TraceStore]:
            yield MemorySpans()

        return fresh
