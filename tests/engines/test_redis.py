"""Counters, and key and value, in Redis: the contracts, and what is this engine's own."""

from collections.abc import AsyncGenerator

import pytest

from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.engines.redis_key_value import RedisKeyValue
from switchgear.kernel.clock import FrozenClock, SystemClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.ports import Counters, KeyValue
from switchgear.testing.counters_contract import CountersContract
from switchgear.testing.key_value_contract import KEEP_BYTES, KeyValueContract
from tests.engines.redis_server import forget, let_time_pass

pytestmark = pytest.mark.service("redis")


@pytest.fixture
def prefix() -> str:
    return f"test-{Ids(SystemClock(), seeded_bits()).new()}"


@pytest.fixture
async def client(service_url: str, prefix: str) -> AsyncGenerator[RedisClient]:
    made = RedisClient(read_address(service_url), timeout_seconds=5)
    await made.open()
    yield made
    await forget(made, prefix)
    await made.aclose()


class TestCounters(CountersContract):
    @pytest.fixture(autouse=True)
    def server(self, client: RedisClient, prefix: str) -> None:
        self.client, self.prefix = client, prefix

    @pytest.fixture
    def counters(self, client: RedisClient, prefix: str) -> Counters:
        return RedisCounters(client, prefix)

    async def pass_time(self, clock: FrozenClock, seconds: float) -> None:
        await let_time_pass(self.client, self.prefix, seconds)


class TestKeyValue(KeyValueContract):
    @pytest.fixture(autouse=True)
    def server(self, client: RedisClient, prefix: str) -> None:
        self.client, self.prefix = client, prefix

    @pytest.fixture
    def store(self, client: RedisClient, prefix: str) -> KeyValue:
        return RedisKeyValue(client, prefix, KEEP_BYTES)

    async def pass_time(self, clock: FrozenClock, seconds: float) -> None:
        await let_time_pass(self.client, self.prefix, seconds)

    @pytest.mark.skip(reason="how much Redis keeps is the server's own setting (maxmemory), not this engine's")
    async def test_new_values_find_room_in_a_store_that_is_full(self, store: KeyValue) -> None: ...
