"""Budgets that hold to the cent: many calls at once, several gateways on one Redis, streams, a gateway killed."""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from switchgear.config.state import CountersEntry
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ports import Claim, Standing
from switchgear.kernel.record import CallRecord
from switchgear.limits.model import window_at
from switchgear.processes.counter_proof import reader
from tests.e2e.live import KEY, LiveServer, records
from tests.engines.redis_server import let_time_pass

DOLLAR = 1_000_000_000
CENT = DOLLAR // 100
CALLS = 200
CONFIG = """
server: {{{{port: 0, drain_seconds: 5}}}}
journal: {{{{directory: {{journal}}}}}}
state: {{{{directory: {{state}}}}}}
keys: [{{{{name: tester, key: {{key}}}}}}, {{{{name: streamer, key: {{key}}-streamer}}}}]
providers:
  sim: {{{{kind: simulator, prices: {{{{"*": {{{{input: "0", output: "0", call: "0.01"}}}}}}}}}}}}
models:
  quick: {{{{deployments: [{{{{model: sim/echo}}}}]}}}}
  slow: {{{{deployments: [{{{{model: sim/stall-first}}}}]}}}}
counters: {counters}
limits:
  budget: {{{{scope: {{{{key: "*"}}}}, per: month, usd: "1"}}}}
"""


def in_redis(url: str, prefix: str) -> str:
    return CONFIG.format(counters=f'{{{{engine: redis, url: "{url}", prefix: "{prefix}", timeout_ms: 1000}}}}')


ALONE = CONFIG.format(counters="{{engine: memory}}")


class Caller:
    """Calls one gateway, one connection for each call: whole answers as one key, streams as another."""

    def __init__(self, server: LiveServer) -> None:
        parts = urlsplit(server.url)
        self._host, self._port = parts.hostname or "", parts.port or 80

    async def call(self, model: str = "quick", *, stream: bool = False) -> tuple[int, bytes]:
        """Status and what followed; 0 where the connection broke."""
        body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {KEY}{'-streamer' if stream else ''}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            writer.write(head.encode() + body)
            answer = await reader.read()
            writer.close()
        except OSError:
            return 0, b""
        found = re.match(rb"HTTP/1.1 (\d+)", answer)
        return (int(found[1]) if found else 0), answer

    async def calls(self, count: int, *, stream: bool = False) -> list[tuple[int, bytes]]:
        return list(await asyncio.gather(*(self.call(stream=stream) for _ in range(count))))


def statuses(answers: Sequence[tuple[int, bytes]]) -> Counter[int]:
    return Counter(status for status, _ in answers)


def spent(told: Sequence[CallRecord]) -> int:
    return sum(attempt.cost_nano_usd for record in told for attempt in record.attempts)


def show_that_a_dollar_was_spent(answers: Sequence[tuple[int, bytes]], told: Sequence[CallRecord]) -> None:
    """A hundred calls were answered, and the others cost nothing and reached nobody."""
    assert statuses(answers) == {200: 100, 429: len(answers) - 100}
    refused = [answer for status, answer in answers if status == 429]
    assert all(b"insufficient_quota" in answer or b"rate_limit_exceeded" in answer for answer in refused)
    assert Counter(len(record.attempts) for record in told) == {1: 100, 0: len(answers) - 100}
    assert spent(told) == DOLLAR


def budget_of(key: str) -> Claim:
    """Asks how a key's budget stands."""
    window = window_at("month", SystemClock().wall_ns(), sliding=False)
    return Claim(counter=f"budget usd key={key}", amount=0, limit=DOLLAR, window=window.name, keep_seconds=1)


async def standing(client: RedisClient, prefix: str, key: str = "tester") -> Standing:
    """How a key's budget stands in Redis."""
    return (await RedisCounters(client, prefix).standings([budget_of(key)]))[0]


async def until_used(client: RedisClient, prefix: str, amount: int, key: str = "tester") -> None:
    async with asyncio.timeout(20):
        while (await standing(client, prefix, key)).used != amount:
            await asyncio.sleep(0.02)


async def test_with_one_gateway_each_key_spends_a_dollar_and_not_a_cent_more(tmp_path: Path) -> None:
    with LiveServer(tmp_path, ALONE) as server:
        answers = [await Caller(server).calls(CALLS, stream=stream) for stream in (False, True)]
        server.stop()
    told = records(server)
    for key, found in zip(("tester", "streamer"), answers, strict=True):
        show_that_a_dollar_was_spent(found, [record for record in told if record.key == key])


async def test_a_gateway_that_is_killed_goes_on_with_what_it_had_counted(tmp_path: Path) -> None:
    with LiveServer(tmp_path, ALONE) as server:
        assert statuses(await Caller(server).calls(50)) == {200: 50}
        budget, read = budget_of("tester"), reader(CountersEntry(), server.journal, SystemClock())
        async with asyncio.timeout(20):
            while await read([budget]) != [DOLLAR // 2]:
                await asyncio.sleep(0.02)
        (killed,) = server.gateway_pids()
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(20):
            while await Caller(server).call("nobody") == (0, b"") or killed in server.gateway_pids():
                await asyncio.sleep(0.02)
        answers = await Caller(server).calls(100)
        server.stop()
    assert statuses(answers) == {200: 50, 429: 50}
    assert spent(records(server)) == DOLLAR


async def test_a_rolling_restart_forgets_nothing_but_for_a_moment_what_the_old_gateway_still_takes(
    tmp_path: Path,
) -> None:
    with LiveServer(tmp_path, ALONE) as server:
        caller = Caller(server)
        assert statuses(await caller.calls(30)) == {200: 30}
        (old,) = server.gateway_pids()
        server.process.send_signal(signal.SIGHUP)
        answers = [await caller.call()]
        async with asyncio.timeout(30):
            while old in server.gateway_pids():
                answers.append(await caller.call())
        budget, read = budget_of("tester"), reader(CountersEntry(), server.journal, SystemClock())
        answers += await caller.calls(200)
        async with asyncio.timeout(20):
            while await read([budget]) != [(30 + statuses(answers)[200]) * CENT]:
                answers.append(await caller.call())
        assert (await caller.call())[0] == 429
        server.stop()
    # A few calls more than there was room for: those that the old one took after the new one had asked it.
    assert 70 <= statuses(answers)[200] <= 85
    assert spent(records(server)) == (30 + statuses(answers)[200]) * CENT


@pytest.mark.service("redis")
async def test_with_two_gateways_each_key_spends_a_dollar_at_both_together(
    tmp_path: Path, service_url: str, client: RedisClient, prefix: str
) -> None:
    with ExitStack() as stack:
        servers: list[LiveServer] = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            servers.append(stack.enter_context(LiveServer(tmp_path / name, in_redis(service_url, prefix))))
        answers: dict[str, list[tuple[int, bytes]]] = {}
        for key, stream in (("tester", False), ("streamer", True)):
            found = await asyncio.gather(*(Caller(server).calls(CALLS // 2, stream=stream) for server in servers))
            answers[key] = [*found[0], *found[1]]
            await until_used(client, prefix, DOLLAR, key)
        for server in servers:
            server.stop()
    told = [*records(servers[0]), *records(servers[1])]
    for key, all_found in answers.items():
        show_that_a_dollar_was_spent(all_found, [record for record in told if record.key == key])
        assert await standing(client, prefix, key) == Standing(DOLLAR, True)


@pytest.mark.service("redis")
async def test_what_a_killed_gateway_held_is_nobodys_until_its_time_is_over_and_then_anybodys(
    tmp_path: Path, service_url: str, client: RedisClient, prefix: str
) -> None:
    with ExitStack() as stack:
        servers: list[LiveServer] = []
        for name in ("killed", "other"):
            (tmp_path / name).mkdir()
            servers.append(stack.enter_context(LiveServer(tmp_path / name, in_redis(service_url, prefix))))
        callers = [Caller(server) for server in servers]
        waiting = [asyncio.create_task(callers[0].call("slow")) for _ in range(60)]
        await until_used(client, prefix, 60 * CENT)
        os.kill(servers[0].gateway_pids()[0], signal.SIGKILL)
        assert statuses([await each for each in waiting]) == {0: 60}
        assert statuses(await callers[1].calls(100)) == {200: 40, 429: 60}
        await let_time_pass(client, prefix, 1_000)
        assert statuses(await callers[1].calls(100)) == {200: 60, 429: 40}
        await until_used(client, prefix, DOLLAR)
        servers[1].stop()
    assert spent(records(servers[1])) == DOLLAR
    assert await standing(client, prefix) == Standing(DOLLAR, True)
