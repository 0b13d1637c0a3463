"""Limits where a call is no plain completion: sessions, what is passed through, keys that change under way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidStatus

from switchgear.config.loading import parse
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import SystemClock
from tests.doors.house import KEY, Fittings, House, chat, serving
from tests.doors.test_realtime import BEARER, REALTIME, Studio, url
from tests.limits.test_stage import asked, error_of

MANY = 100


@asynccontextmanager
async def talking(limits: str) -> AsyncGenerator[tuple[House, Studio]]:
    """A gateway with limits before a studio."""
    studio = Studio()
    async with serve(studio, "127.0.0.1", 0, subprotocols=[REALTIME], max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        config = f"""
keys: [{{name: tester, key: {KEY}}}]
providers:
  vendor:
    {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: x, passthrough: true}}
models: {{talk: {{deployments: [{{model: vendor/gpt-realtime}}]}}}}
limits:
{limits}
"""
        fittings = Fittings(counters=MemoryCounters(SystemClock()))
        async with serving(parse(config, "f", {}), fittings=fittings) as house:
            yield house, studio


async def test_a_session_is_a_call_under_way_until_it_ends_whoever_ends_it() -> None:
    async with talking("  one: {concurrent: 1, scope: {key: '*'}}") as (house, studio):
        for last_word in ("close", ""):
            async with connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME]) as client:
                with pytest.raises(InvalidStatus) as refused:
                    await connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME])
                assert refused.value.response.status_code == 429
                if last_word:
                    await client.send(last_word)
                    await client.wait_closed()
            await asyncio.wait_for(studio.gone.wait(), 5)
            studio.gone.clear()
            async with asyncio.timeout(5):
                while house.server.connection_count:
                    await asyncio.sleep(0)


async def test_a_session_counts_for_its_model_and_its_provider() -> None:
    for scope in ("model: talk", "provider: vendor"):
        async with (
            talking(f"  one: {{concurrent: 1, scope: {{{scope}}}}}") as (house, _),
            connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME]),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME])
            assert refused.value.response.status_code == 429


async def test_pictures_are_drawn_where_a_provider_is_not_full() -> None:
    config = f"""
keys: [{{name: tester, key: {KEY}}}]
providers: {{first: {{kind: simulator}}, other: {{kind: simulator}}}}
models: {{painter: {{deployments: [{{model: first/echo, tier: 1}}, {{model: other/echo, tier: 2}}]}}}}
limits: {{few: {{scope: {{provider: first}}, requests: 1, per: day}}}}
"""
    async with serving(parse(config, "f", {})) as house:
        for _ in range(2):
            assert (await house.post("/v1/images/generations", {"model": "painter", "prompt": "a cat"}))[0] == 200
        assert [record.attempts[0].provider for record in house.journal.records] == ["first", "other"]


async def test_the_tokens_of_a_session_are_counted_when_it_ends() -> None:
    async with talking("  few: {tokens: 2000, per: day}") as (house, studio):
        async with connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME]) as client:
            for word in ("respond", "respond", "respond"):
                await client.send(word)
                await client.recv()
            await client.send("close")
            await client.wait_closed()
        await asyncio.wait_for(studio.gone.wait(), 5)
        async with asyncio.timeout(5):
            while house.server.connection_count:
                await asyncio.sleep(0)
        _, headers, _ = await house.post("/v1/chat/completions", chat("talk", max_tokens=1))
        assert 1950 < int(headers["x-ratelimit-remaining-tokens"]) <= 2000 - 3 * 7


async def test_what_is_passed_through_counts_its_requests_even_when_it_fails() -> None:
    async with talking("  few: {requests: 2, per: day}") as (house, _):
        statuses = [(await house.post("/passthrough/vendor/v1/things", {"a": 1}))[0] for _ in range(3)]
        assert statuses[2] == 429
        assert 429 not in statuses[:2]


LIMITED = f"""
keys: [{{name: tester, key: {KEY}}}, {{name: other, key: {KEY}-of-another}}]
providers: {{sim: {{kind: simulator, prices: {{"*": {{call: 0.01, input: 0, output: 0}}}}}}}}
models: {{echo: {{deployments: [{{model: sim/slow}}]}}}}
limits: {{budget: {{scope: {{key: tester}}, usd: "5", per: month}}, at_once: {{scope: {{key: "*"}}, concurrent: 150}}}}
"""


async def test_calls_under_way_end_as_they_began_when_their_key_goes_and_are_counted_to_it() -> None:
    config = parse(LIMITED, "f", {})
    counters = MemoryCounters(SystemClock())
    async with serving(config, fittings=Fittings(counters=counters)) as house:
        calls = [asyncio.create_task(asked(house, stream=True)) for _ in range(MANY)]
        async with asyncio.timeout(10):
            while held(counters) < MANY:
                await asyncio.sleep(0)
        house.change(keys=config.keys[1:])
        assert (await asked(house))[0] == 401
        answers = await asyncio.gather(*calls)
        assert [status for status, _, _ in answers] == [200] * MANY
        assert all(answer.endswith(b"data: [DONE]\n\n") for _, _, answer in answers)
        assert held(counters) == 0
        assert settled(counters, "budget usd key=tester") == MANY * 10_000_000
        assert sum(attempt.cost_nano_usd for record in house.journal.records for attempt in record.attempts) == 10**9


async def test_a_limit_that_changes_holds_for_the_next_call_and_counts_stay() -> None:
    config = parse(LIMITED.replace("sim/slow", "sim/echo"), "f", {})
    counters = MemoryCounters(SystemClock())
    async with serving(config, fittings=Fittings(counters=counters)) as house:
        for _ in range(3):
            assert (await asked(house))[0] == 200
        smaller = parse(LIMITED.replace('usd: "5"', 'usd: "0.03"'), "f", {})
        house.change(limits=smaller.limits)
        status, _, answer = await house.post("/v1/chat/completions", chat("echo"))
        assert status == 429
        assert "$0.03 of $0.03 are used" in error_of(answer)["message"]
        house.change(limits={})
        assert (await asked(house))[0] == 200


def held(counters: MemoryCounters) -> int:
    return sum(count.held for (name, _), count in counters._counts.items() if "concurrent" in name)


def settled(counters: MemoryCounters, name: str) -> int:
    return sum(count.settled for (counter, _), count in counters._counts.items() if counter == name)


PICTURED = """
providers: {sim: {kind: simulator, passthrough: true, prices: {"*": {image: 0.04, input: 0, output: 0}}}}
"""


async def spending(config: str, limit: str, path: str, body: dict[str, object]) -> tuple[list[int], int]:
    """Ten calls at once: how each was answered, and what all cost."""
    counters = MemoryCounters(SystemClock())
    keys = f"keys: [{{name: tester, key: {KEY}}}]\n"
    text = f'{keys}{config}limits: {{money: {{usd: "{limit}", per: month}}}}\n'
    async with serving(parse(text, "f", {}), fittings=Fittings(counters=counters)) as house:
        answers = await asyncio.gather(*(house.post(path, body) for _ in range(10)))
        cost = sum(attempt.cost_nano_usd for record in house.journal.records for attempt in record.attempts)
        assert settled(counters, "money usd ") == cost
        return sorted(status for status, _, _ in answers), cost


async def test_pictures_are_reserved_by_their_number() -> None:
    body: dict[str, object] = {"model": "sim/echo", "prompt": "a cat", "n": 2}
    statuses, _ = await spending(PICTURED, "0.20", "/v1/images/generations", body)
    assert (statuses.count(200), statuses.count(429)) == (2, 8)


async def test_a_call_that_chooses_its_service_is_reserved_at_the_dearest() -> None:
    config = """
providers:
  sim:
    kind: simulator
    prices: {"*": {call: 0.01, input: 0, output: 0, services: {priority: "2"}}}
"""
    plain: dict[str, object] = {**chat("sim/echo")}
    assert (await spending(config, "0.04", "/v1/chat/completions", plain))[0].count(200) == 4
    chosen = {**plain, "service_tier": "priority"}
    assert (await spending(config, "0.04", "/v1/chat/completions", chosen))[0].count(200) == 2


async def test_a_model_without_a_price_is_noted_under_a_limit_of_money() -> None:
    config = f"""
keys: [{{name: tester, key: {KEY}}}]
providers: {{vendor: {{kind: openai_compatible, base_url: "http://127.0.0.1:1/v1", api_key: x}}}}
models: {{unknown: {{deployments: [{{model: vendor/nobody-knows-it}}]}}}}
limits: {{money: {{usd: "1", per: month}}}}
"""
    async with serving(parse(config, "f", {})) as house:
        await house.post("/v1/chat/completions", chat("unknown"))
        assert house.journal.records[0].findings == ("limit money: no price known",)
