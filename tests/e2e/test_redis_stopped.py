"""The Redis that counts limits stands still: limits do what they declare for that, and the counts come together."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.live import LiveServer
from tests.e2e.test_budgets import Caller, statuses
from tests.engines.redis_server import BINARY, own_redis

CONFIG = """
server: {{{{port: 0, drain_seconds: 5}}}}
journal: {{{{directory: {{journal}}}}}}
state: {{{{directory: {{state}}}}}}
keys: [{{{{name: tester, key: {{key}}}}}}]
providers: {{{{sim: {{{{kind: simulator}}}}}}}}
models:
  open: {{{{deployments: [{{{{model: sim/echo}}}}]}}}}
  closed: {{{{deployments: [{{{{model: sim/echo}}}}]}}}}
  shared: {{{{deployments: [{{{{model: sim/echo}}}}]}}}}
counters: {{{{engine: redis, url: "{url}"}}}}
limits:
  lenient: {{{{scope: {{{{model: open}}}}, per: month, requests: 30}}}}
  strict: {{{{scope: {{{{model: closed}}}}, per: month, requests: 30, when_unavailable: closed}}}}
  divided: {{{{scope: {{{{model: shared}}}}, per: month, requests: 30, when_unavailable: local_share}}}}
"""

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs a redis-server of its own, or a valkey-server")


async def test_each_limit_does_what_it_declares_while_redis_stands_still(tmp_path: Path) -> None:
    with own_redis(tmp_path) as redis, LiveServer(tmp_path, CONFIG.format(url=redis.url)) as server:
        caller = Caller(server)
        for model in ("open", "closed", "shared"):
            assert statuses([await caller.call(model) for _ in range(10)]) == {200: 10}
        redis.stop()
        assert statuses([await caller.call("open") for _ in range(40)]) == {200: 40}
        refused = [await caller.call("closed") for _ in range(5)]
        assert statuses(refused) == {503: 5}
        assert b"strict" in refused[0][1]
        assert b"retry-after" in refused[0][1].lower()
        assert statuses([await caller.call("shared") for _ in range(30)]) == {200: 20, 503: 10}
        redis.go_on()
        async with asyncio.timeout(20):
            while (await caller.call("closed"))[0] != 200:
                await asyncio.sleep(0.05)
        # Fifty calls were let pass, thirty allowed: the limit holds again, with all of them counted.
        assert statuses([await caller.call("open") for _ in range(5)]) == {429: 5}
        assert statuses([await caller.call("shared") for _ in range(5)]) == {429: 5}
        assert statuses([await caller.call("closed") for _ in range(25)]) == {200: 19, 429: 6}


async def test_a_gateway_begins_without_redis_and_finds_it_later(tmp_path: Path) -> None:
    with own_redis(tmp_path) as redis:
        redis.stop()
        with LiveServer(tmp_path, CONFIG.format(url=redis.url)) as server:
            caller = Caller(server)
            assert (await caller.call("open"))[0] == 200
            assert (await caller.call("closed"))[0] == 503
            redis.go_on()
            async with asyncio.timeout(20):
                while (await caller.call("closed"))[0] != 200:
                    await asyncio.sleep(0.05)
