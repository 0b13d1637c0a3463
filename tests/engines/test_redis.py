"""Counters, and key and value, in Redis: the contracts, and what is this engine's own."""

import pytest

from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.engines.redis_key_value import RedisKeyValue
from switchgear.engines.redis_scripts import REAP
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Counters, KeyValue, Standing
from switchgear.testing.counters_contract import CountersContract, at_once, claim
from switchgear.testing.key_value_contract import KEEP_BYTES, KeyValueContract
from tests.engines.redis_server import every_key, forget, let_time_pass


@pytest.mark.service("redis")
class TestCounters(CountersContract):
    @pytest.fixture(autouse=True)
    def server(self, client: RedisClient, prefix: str) -> None:
        self.client, self.prefix = client, prefix

    @pytest.fixture
    def counters(self, client: RedisClient, prefix: str) -> Counters:
        return RedisCounters(client, prefix)

    async def pass_time(self, clock: FrozenClock, seconds: float) -> None:
        await let_time_pass(self.client, self.prefix, seconds)


@pytest.mark.service("redis")
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


@pytest.mark.service("redis")
async def test_what_is_over_leaves_nothing_without_a_time(client: RedisClient, prefix: str) -> None:
    counters = RedisCounters(client, prefix)
    claims = [claim(), at_once()]
    await counters.reserve("settled", claims, 60)
    await counters.settle("settled", claims, [1, 1])
    await counters.reserve("lapsed", claims, 60)
    await let_time_pass(client, prefix, 61)
    await counters.count("entry", claims)
    await counters.settle("nobody", claims, [1, 1])
    times = {key: await client.run("PTTL", key) for key in await every_key(client, prefix)}
    assert [key for key, left_ms in times.items() if left_ms == -1] == []


@pytest.mark.service("redis")
async def test_what_many_dead_gateways_held_comes_back_a_part_at_a_time(client: RedisClient, prefix: str) -> None:
    counters = RedisCounters(client, prefix)
    for number in range(REAP * 2 + 1):
        await counters.reserve(f"r{number}", [claim(limit=1_000)], 60)
    await let_time_pass(client, prefix, 61)
    used = [(await counters.standings([claim()]))[0].used for _ in range(3)]
    assert used == [REAP + 1, 1, 0]


@pytest.mark.service("redis")
async def test_nobody_is_refused_for_what_many_dead_gateways_held(client: RedisClient, prefix: str) -> None:
    counters = RedisCounters(client, prefix)
    for number in range(REAP * 2 + 1):
        await counters.reserve(f"r{number}", [claim(limit=1_000)], 60)
    await let_time_pass(client, prefix, 61)
    assert (await counters.reserve("r", [claim(amount=5, limit=5)], 60))[0].fits


@pytest.mark.service("redis")
async def test_an_end_that_overtook_its_beginning_still_ends_it(client: RedisClient, prefix: str) -> None:
    counters = RedisCounters(client, prefix)
    await counters.settle("late")
    await counters.reserve("late", [claim(), at_once()], 60)
    assert await counters.standings([claim(), at_once()]) == (Standing(0, True), Standing(0, True))


@pytest.mark.service("redis")
async def test_gateways_are_counted_while_they_say_that_they_are_there(client: RedisClient, prefix: str) -> None:
    counters = RedisCounters(client, prefix)
    assert [await counters.meet(name) for name in ("a", "b", "a", "c")] == [1, 2, 2, 3]
    await client.run("ZREM", f"{{{prefix}}}gateways", "b")
    await client.run("ZADD", f"{{{prefix}}}gateways", 1, "c")
    assert await counters.meet("a") == 1


@pytest.mark.service("redis")
async def test_prefixes_keep_installations_apart(client: RedisClient, prefix: str) -> None:
    await RedisCounters(client, f"{prefix}-one").count("entry", [claim(amount=5)])
    assert await RedisCounters(client, f"{prefix}-two").standings([claim()]) == (Standing(0, True),)
    await RedisKeyValue(client, f"{prefix}-one", 100).put("key", b"value", 60)
    assert await RedisKeyValue(client, f"{prefix}-two", 100).get("key") is None
    for name in ("one", "two"):
        await forget(client, f"{prefix}-{name}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("rediss://user:hidden@cache.example:6380/2", "rediss://cache.example:6380/2"),
        ("redis://:hidden@[::1]:7000", "redis://::1:7000/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_secret(url: str, shown: str) -> None:
    assert str(read_address(url)) == shown
    assert repr(read_address(url)) == f"RedisAddress({shown})"


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6379", "http://x:hidden@y", "redis://", "redis://h/hidden", "redis://:hidden@h:x", "unix://x"],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a Redis server") as refused:
        read_address(url)
    assert "hidden" not in str(refused.value)
