"""Limits and budgets through a whole gateway: who is refused, what is told, and what is counted."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest

from switchgear.config.loading import parse
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import FrozenClock, SystemClock
from switchgear.kernel.ports import Claim
from tests.doors.house import KEY, Fittings, House, chat, serving

CENT = "{call: 0.01, input: 0, output: 0}"
PLAIN = f"""
keys:
  - {{name: tester, key: {KEY}, team: support, tags: [batch]}}
  - {{name: other, key: {KEY}-of-another}}
projects: {{bots: {{}}}}
teams: {{support: {{project: bots}}}}
routing: {{retries: {{base_seconds: 0.01, max_seconds: 0.02}}, breaker: {{consecutive_failures: 1000}}}}
providers: {{sim: {{kind: simulator, prices: {{"*": {CENT}}}}}}}
models: {{echo: {{deployments: [{{model: sim/echo}}]}}, spare: {{deployments: [{{model: sim/echo}}]}}}}
limits:
"""


@asynccontextmanager
async def limited(limits: str, clock: FrozenClock | None = None) -> AsyncGenerator[tuple[House, MemoryCounters]]:
    config = parse(PLAIN + limits, "switchgear.yaml", {})
    counters = MemoryCounters(clock or SystemClock())
    async with serving(config, fittings=Fittings(clock=clock, counters=counters)) as house:
        yield house, counters


async def asked(house: House, **said: object) -> tuple[int, Mapping[str, str], bytes]:
    return await house.post("/v1/chat/completions", {**chat("echo"), **said})


def error_of(answer: bytes) -> Mapping[str, str]:
    return json.loads(answer)["error"]


@pytest.mark.parametrize("stream", [False, True])
async def test_two_hundred_at_once_spend_one_dollar_and_not_a_cent_more(*, stream: bool) -> None:
    async with limited('  budget: {scope: {team: support}, usd: "1.00", per: month}') as (house, counters):
        answers = await asyncio.gather(*(asked(house, stream=stream) for _ in range(200)))
        statuses = [status for status, _, _ in answers]
        assert (statuses.count(200), statuses.count(429)) == (100, 100)
        records = house.journal.records
        assert sum(attempt.cost_nano_usd for record in records for attempt in record.attempts) == 1_000_000_000
        assert all(not record.attempts for record in records if record.status == 429)
        _, headers, refused = await asked(house, stream=stream)
        assert headers["x-should-retry"] == "false"
        assert error_of(refused)["code"] == "insufficient_quota"
        assert "$1.00 of $1.00 are used" in error_of(refused)["message"]
        assert spent(counters) == 1_000_000_000


def spent(counters: MemoryCounters) -> int:
    [(_, count)] = [item for item in counters._counts.items() if "usd" in item[0][0]]
    return count.settled + count.held


async def test_a_call_that_fails_before_it_costs_anything_gives_its_money_back() -> None:
    async with limited('  budget: {usd: "0.02", per: day}') as (house, _):
        for _ in range(5):
            status, _, _ = await house.post("/v1/chat/completions", chat("sim/error-500"))
            assert status >= 500
        assert [(await asked(house))[0] for _ in range(3)] == [200, 200, 429]


async def test_each_answer_that_is_asked_for_is_reserved() -> None:
    async with limited("  written: {scope: {team: support}, output_tokens: 100, per: day}") as (house, _):
        assert (await asked(house, max_tokens=30, n=4))[0] == 429
        assert (await asked(house, max_tokens=30, n=3))[0] == 200


async def test_requests_are_refused_beyond_the_limit_with_the_headers_openai_clients_read() -> None:
    clock = FrozenClock()
    async with limited("  rate: {scope: {key: '*'}, requests: 3, per: minute}", clock) as (house, _):
        left = [(await asked(house))[1]["x-ratelimit-remaining-requests"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        status, headers, answer = await asked(house)
        assert (status, headers["x-should-retry"]) == (429, "true")
        assert headers["x-ratelimit-limit-requests"] == "3"
        assert float(headers["retry-after"]) > 0
        assert error_of(answer)["code"] == "rate_limit_exceeded"
        assert "limit 'rate' (requests a minute for key=tester)" in error_of(answer)["message"]
        assert (await asked(house, stream=False))[0] == 429
        clock.advance(120)
        assert (await asked(house))[0] == 200


async def test_the_anthropic_door_tells_the_same_numbers_in_its_own_headers() -> None:
    async with limited("  rate: {requests: 5, input_tokens: 100000, per: minute}") as (house, _):
        said = {"model": "echo", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
        status, headers, _ = await house.post("/v1/messages", said)
        assert status == 200
        assert headers["anthropic-ratelimit-requests-limit"] == "5"
        assert headers["anthropic-ratelimit-requests-remaining"] == "4"
        assert int(headers["anthropic-ratelimit-input-tokens-remaining"]) < 100_000
        assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")


async def test_each_key_has_a_count_of_its_own_where_the_limit_says_each() -> None:
    async with limited("  rate: {scope: {key: '*'}, requests: 1, per: hour}") as (house, _):
        assert [(await asked(house))[0] for _ in range(2)] == [200, 429]
        other = f"Bearer {KEY}-of-another"
        status, _, _ = await house.post("/v1/chat/completions", chat("echo"), authorization=other)
        assert status == 200


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        ("{key: tester}", True), ("{key: other}", False), ("{team: support}", True), ("{project: bots}", True),
        ("{project: bots, model: echo}", True), ("{project: bots, model: spare}", False), ("{model: echo}", True),
        ("{tag: batch}", True), ("{end_user: ann}", True), ("{end_user: bob}", False), ("{provider: sim}", True),
        ("{end_user: '*', team: support}", True), ("{}", True),
    ],
)  # fmt: skip
async def test_a_limit_holds_for_whom_it_names(scope: str, *, fits: bool) -> None:
    async with limited(f"  rate: {{scope: {scope}, requests: 1, per: day}}") as (house, _):
        statuses = [(await asked(house, user="ann"))[0] for _ in range(2)]
        assert statuses == [200, 429 if fits else 200]


async def test_all_limits_hold_at_once_and_a_refusal_by_one_counts_for_none() -> None:
    small = "small: {scope: {team: support}, requests: 1, per: day}"
    large = "large: {scope: {key: '*'}, requests: 5, per: day}"
    limits = f"  {small}\n  {large}"
    async with limited(limits) as (house, counters):
        assert [(await asked(house))[0] for _ in range(3)] == [200, 429, 429]
        counts = {name: count.settled for (name, _), count in counters._counts.items()}
        assert counts == {"small requests team=support": 1, "large requests key=tester": 1}


TWO_PROVIDERS = f"""
keys: [{{name: tester, key: {KEY}}}]
providers: {{first: {{kind: simulator}}, other: {{kind: simulator}}}}
models: {{both: {{deployments: [{{model: first/echo, tier: 1}}, {{model: other/echo, tier: 2}}]}}}}
limits:
  few: {{scope: {{provider: first}}, requests: 2, per: day}}
  one: {{scope: {{provider: other}}, requests: 1, per: day}}
"""


async def test_a_provider_that_is_full_is_passed_by_and_all_full_is_refused() -> None:
    counters = MemoryCounters(SystemClock())
    async with serving(parse(TWO_PROVIDERS, "f", {}), fittings=Fittings(counters=counters)) as house:
        statuses = [(await house.post("/v1/chat/completions", chat("both")))[0] for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert [[each.provider for each in record.attempts] for record in house.journal.records] == [
            ["first"], ["first"], ["other"], [], [],
        ]  # fmt: skip
        assert house.journal.records[2].findings == ("limit few: kept from first",)
        counts = {name: count.settled for (name, _), count in counters._counts.items()}
        assert counts == {"few requests provider=first": 2, "one requests provider=other": 1}


async def test_a_limit_that_warns_tells_the_client_and_lets_it_pass() -> None:
    async with limited("  soft: {requests: 1, per: day, action: warn}") as (house, _):
        await asked(house)
        status, headers, _ = await asked(house)
        assert (status, headers["x-switchgear-limit-warning"]) == (200, "soft; requests")
        assert house.journal.records[-1].findings == ("limit soft: warned",)


async def test_a_dry_run_notes_what_it_would_have_done_and_tells_nobody() -> None:
    async with limited("  trial: {requests: 1, per: day, action: dry_run}") as (house, _):
        await asked(house)
        status, headers, _ = await asked(house)
        assert status == 200
        assert not [name for name in headers if "limit" in name]
        assert house.journal.records[-1].findings == ("limit trial: would have refused",)


async def test_calls_at_once_are_let_go_when_they_end_and_when_their_client_leaves() -> None:
    async with limited("  one: {concurrent: 1, scope: {key: '*'}}") as (house, counters):
        body = json.dumps(chat("sim/stall", stream=True)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        await reader.readuntil(b"data:")
        assert (await asked(house))[0] == 429
        writer.close()
        async with asyncio.timeout(5):
            while house.server.connection_count:
                await asyncio.sleep(0)
        assert (await asked(house))[0] == 200
        assert not any(count.held for count in counters._counts.values())


async def test_a_stream_whose_length_nobody_bounded_is_cut_off_when_the_budget_is_spent() -> None:
    config = PLAIN.replace(CENT, "{input: 0, output: 1000}")
    long = " ".join(["word"] * 3000)
    limits = '  budget: {scope: {key: tester}, usd: "1.50", per: month}'
    counters = MemoryCounters(SystemClock())
    async with serving(parse(config + limits, "f", {}), fittings=Fittings(counters=counters)) as house:
        said = {"model": "sim/echo", "stream": True, "messages": [{"role": "user", "content": long}]}
        status, _, answer = await house.post("/v1/chat/completions", said)
        assert status == 200
        assert b"[DONE]" not in answer
        assert b"insufficient_quota" in answer
        assert b"limit 'budget' is reached" in answer
        [record] = house.journal.records
        assert record.findings == ("limit budget: cut off",)
        assert (record.outcome, record.error.partition(":")[0]) == ("failed", "insufficient_quota")
        assert record.attempts[0].cost_nano_usd <= 1_600_000_000


async def test_what_was_settled_is_what_the_record_says_it_cost() -> None:
    config = PLAIN.replace(CENT, "{input: 3, output: 15}")
    limits = '  money: {scope: {key: tester}, usd: "100", per: month}\n  read: {tokens: 1000000, per: day}'
    counters = MemoryCounters(SystemClock())
    async with serving(parse(config + limits, "f", {}), fittings=Fittings(counters=counters)) as house:
        for stream in (True, False):
            await house.post("/v1/chat/completions", chat("echo", stream=stream))
        attempts = [attempt for record in house.journal.records for attempt in record.attempts]
        settled = {name.split()[1]: count.settled for (name, _), count in counters._counts.items()}
        assert settled["usd"] == sum(attempt.cost_nano_usd for attempt in attempts) > 0
        usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
        assert settled["tokens"] == sum(usage.total_input + usage.total_output for usage in usages)


async def test_an_upstream_that_answers_nothing_keeps_what_was_held_because_it_may_send_a_bill() -> None:
    async with limited('  budget: {usd: "0.03", per: day}') as (house, _):
        await house.post("/v1/chat/completions", chat("sim/truncated"))
        assert house.journal.records[0].attempts
        statuses = [(await asked(house))[0] for _ in range(4)]
        assert statuses.count(200) in (2, 3)


async def test_a_gateway_without_limits_does_not_pass_the_stage() -> None:
    async with limited("  {}") as (house, counters):
        status, headers, _ = await asked(house)
        assert status == 200
        assert not [name for name in headers if "ratelimit" in name]
        assert await counters.standings([Claim(counter="any", amount=1, limit=1)])
