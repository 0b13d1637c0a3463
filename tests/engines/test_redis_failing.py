"""A Redis of the test's own that stands still, dies, restarts, asks for a password, or refuses."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec import structs

from switchgear.engines.patient_counters import PatientCounters
from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.engines.redis_key_value import RedisKeyValue
from switchgear.engines.redis_link import MOST_WAITING, RedisRefused
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Claim, FailMode
from switchgear.testing.counters_contract import claim
from tests.engines.redis_server import BINARY, OwnRedis, free_port, own_redis, write_certificate

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs a redis-server of its own, or a valkey-server")

TIMEOUT_SECONDS = 0.5
"""Longer than a busy machine is late, so that only the five who wait for it are seen to."""
RATE = 500


@pytest.fixture
def server(tmp_path: Path) -> Generator[OwnRedis]:
    with own_redis(tmp_path) as made:
        yield made


def client_of(server: OwnRedis, timeout_seconds: float = 5.0, who: str = "") -> RedisClient:
    return RedisClient(read_address(f"redis://{who}127.0.0.1:{server.port}"), timeout_seconds)


@asynccontextmanager
async def gateway(server: OwnRedis, name: str = "g1") -> AsyncGenerator[PatientCounters]:
    """The counters of one gateway, in touch with ``server``."""
    counters = PatientCounters(
        RedisCounters(client_of(server, TIMEOUT_SECONDS), "test"), name, SystemClock(), seeded_bits()
    )
    await counters.start()
    running = asyncio.get_running_loop().create_task(counters.run())
    try:
        yield counters
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await counters.aclose()


def limited(mode: FailMode = "open", limit: int = 1_000_000) -> tuple[Claim, ...]:
    return tuple(structs.replace(claim(f"{mode} {number}", limit=limit), when_unreachable=mode) for number in range(6))


async def call(counters: PatientCounters, name: str, claims: tuple[Claim, ...]) -> tuple[float, bool]:
    """Reserve and settle one of each; how long reserving took, and whether everything fitted."""
    began = time.monotonic()
    standings = await counters.reserve(name, claims, 60)
    took = time.monotonic() - began
    passed = all(each.fits for each in standings)
    if passed:
        await counters.settle(name, claims, [1] * len(claims))
    return took, passed


async def calls(
    counters: PatientCounters, name: str, seconds: float, claims: tuple[Claim, ...]
) -> list[tuple[float, bool]]:
    """Calls at a steady rate, whatever becomes of them."""
    made: list[asyncio.Task[tuple[float, bool]]] = []
    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            made.append(group.create_task(call(counters, f"{name}-{number}", claims)))
            await asyncio.sleep(1 / RATE)
    return [task.result() for task in made]


async def until(counters: PatientCounters, *, reachable: bool) -> None:
    async with asyncio.timeout(10):
        while counters.reachable != reachable or (reachable and counters.owed):
            await asyncio.sleep(0.01)


async def used(server: OwnRedis, claims: tuple[Claim, ...]) -> set[int]:
    client = client_of(server)
    await client.open()
    found = {each.used for each in await RedisCounters(client, "test").standings(claims)}
    await client.aclose()
    return found


async def test_a_server_that_stands_still_costs_at_most_five_calls_their_patience_and_loses_no_count(
    server: OwnRedis,
) -> None:
    claims = limited()
    async with gateway(server) as counters:
        before = await calls(counters, "before", 0.2, claims)
        server.stop()
        during = await calls(counters, "during", 1.0, claims)
        assert not counters.reachable
        after_opening = await calls(counters, "open", 0.5, claims)
        server.go_on()
        await until(counters, reachable=True)
        after = await calls(counters, "after", 0.2, claims)
        await counters.settled()
        await until(counters, reachable=True)
    everything = before + during + after_opening + after
    assert all(passed for _, passed in everything)
    assert sum(took >= 0.8 * TIMEOUT_SECONDS for took, _ in during) <= MOST_WAITING
    assert sum(took >= 0.8 * TIMEOUT_SECONDS for took, _ in after_opening) == 0
    assert await used(server, claims) == {len(everything)}


async def test_limits_that_are_closed_refuse_meanwhile_and_pass_again_afterwards(server: OwnRedis) -> None:
    claims = limited("closed")
    async with gateway(server) as counters:
        server.stop()
        during = await calls(counters, "during", 0.4, claims)
        server.go_on()
        await until(counters, reachable=True)
        assert (await call(counters, "after", claims))[1]
        await counters.settled()
    assert not any(passed for _, passed in during)
    assert await used(server, claims) == {1}


async def test_two_gateways_enforce_their_shares_meanwhile(server: OwnRedis) -> None:
    claims = limited("local_share", limit=21)
    async with gateway(server, "g1") as one, gateway(server, "g2") as other:
        await one._return()
        assert (one.gateways, other.gateways) == (2, 2)
        server.stop()
        passed = [
            sum([(await call(each, f"{name}-{number}", claims))[1] for number in range(20)])
            for name, each in (("one", one), ("other", other))
        ]
        server.go_on()
        await until(one, reachable=True)
        await until(other, reachable=True)
    assert passed == [10, 10]
    assert await used(server, claims) == {20}


async def test_a_server_that_is_not_there_at_first_is_found_later(tmp_path: Path) -> None:
    server = OwnRedis(tmp_path)
    claims = limited()
    async with gateway(server) as counters:
        assert (await call(counters, "before", claims))[1]
        server.start()
        try:
            await until(counters, reachable=True)
            assert await used(server, claims) == {1}
        finally:
            server.kill()


async def test_a_server_that_dies_and_restarts_is_used_again_and_knows_its_scripts(tmp_path: Path) -> None:
    with own_redis(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        claims = limited()
        async with gateway(server) as counters:
            assert (await call(counters, "before", claims))[1]
            await counters.settled()
            server.kill()
            await until(counters, reachable=False)
            assert (await call(counters, "meanwhile", claims))[1]
            server.start()
            await until(counters, reachable=True)
            assert (await call(counters, "after", claims))[1]
            await counters.settled()
        assert await used(server, claims) == {3}


async def test_a_password_is_asked_for_and_never_told(tmp_path: Path) -> None:
    with own_redis(tmp_path, "--requirepass", "the-real-one") as server:
        await client_of(server, who=":the-real-one@").open()
        for who in ("", ":a-wrong-one@", "nobody:a-wrong-one@"):
            client = client_of(server, who=who)
            with pytest.raises(RedisRefused) as refused:
                await client.open()
            assert "a-wrong-one" not in f"{refused.value!r}"
            with pytest.raises(ConnectionError, match="a moment ago"):
                await client.open()


async def test_a_server_that_takes_no_more_is_an_engine_that_fails(tmp_path: Path) -> None:
    with own_redis(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        client = client_of(server)
        with pytest.raises(OSError, match="OOM"):
            await RedisKeyValue(client, "test", 100).put("key", b"value", 60)
        async with gateway(server) as counters:
            assert not counters.reachable
            assert (await call(counters, "r", limited()))[1]
        await client.aclose()


async def test_what_is_no_redis_is_told_so() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with other:
        client = RedisClient(read_address(f"redis://127.0.0.1:{port}"), 1)
        with pytest.raises(ConnectionError):
            await client.open()


async def test_in_a_cluster_the_node_that_has_the_keys_is_found(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    # Left to itself, the bus takes the port ten thousand above, which need not be there.
    buses = [free_port() for _ in folders]
    cluster = [("--cluster-enabled", "yes", "--cluster-port", str(bus)) for bus in buses]
    with own_redis(folders[0], *cluster[0]) as first, own_redis(folders[1], *cluster[1]) as second:
        nodes = [client_of(each) for each in (first, second)]
        for node in nodes:
            await node.open()
        await nodes[1].run("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        await nodes[0].run("CLUSTER", "MEET", "127.0.0.1", second.port, buses[1])
        async with asyncio.timeout(30):
            while b"cluster_state:ok" not in await info(nodes[0]):
                await asyncio.sleep(0.05)
        async with gateway(first) as counters:
            await until(counters, reachable=True)
            assert (await call(counters, "r", limited()))[1]
            await counters.settled()
        assert await used(second, limited()) == {1}
        for node in nodes:
            await node.aclose()


async def info(node: RedisClient) -> bytes:
    found = await node.run("CLUSTER", "INFO")
    assert isinstance(found, bytes)
    return found


async def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    write_certificate(certificate, key)
    tls = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    server = OwnRedis(tmp_path, *tls, tls=True)
    try:
        server.start()
    except OSError:
        pytest.skip("this redis-server was built without TLS")
    try:
        stranger = RedisClient(read_address(f"rediss://localhost:{server.port}"), 5)
        with pytest.raises(ConnectionError, match="cannot be reached"):
            await stranger.open()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        friend = RedisClient(read_address(f"rediss://localhost:{server.port}"), 5)
        await friend.open()
        assert await friend.run("PING") == b"PONG"
        await friend.aclose()
    finally:
        server.kill()


async def test_values_cost_one_call_its_patience_and_are_found_again_afterwards(server: OwnRedis) -> None:
    client = client_of(server, TIMEOUT_SECONDS)
    store = RedisKeyValue(client, "test", 100)
    await store.put("key", b"value", 60)
    server.stop()
    with pytest.raises(TimeoutError):
        await store.get("key")
    with pytest.raises(OSError, match="in time"):
        await store.get("key")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(ConnectionError, match="at the moment"):
            await store.get("key")
    assert time.monotonic() - began < TIMEOUT_SECONDS
    server.go_on()
    async with asyncio.timeout(10):
        while True:
            with suppress(ConnectionError):
                assert await store.get("key") == b"value"
                break
            await asyncio.sleep(0.05)
    await client.aclose()


async def test_who_gives_up_waiting_for_a_connection_leaves_none_behind(server: OwnRedis) -> None:
    server.stop()
    client = client_of(server)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.open()
    server.go_on()
    await client.open()
    assert await client.run("PING") == b"PONG"
    await client.aclose()


async def test_a_command_that_cannot_be_written_disturbs_no_other(server: OwnRedis) -> None:
    client = client_of(server)
    await client.open()
    with pytest.raises(UnicodeEncodeError):
        await client.run("GET", "\ud800")
    assert await client.run("ECHO", "fine") == b"fine"
    await client.aclose()
