"""Answers that go on elsewhere, races between two deployments, and copies that nobody sees: over the simulator."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import (
    BreakerEntry,
    DeploymentEntry,
    FallbacksEntry,
    HedgingEntry,
    ModelEntry,
    RetriesEntry,
    RoutingEntry,
    ShadowEntry,
    TimersEntry,
)
from tests.doors.house import House, chat, running

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
WORDS = " ".join(f"word{number}" for number in range(40))
PATIENT = RoutingEntry(
    retries=RetriesEntry(attempts=3, base_seconds=0.0), breaker=BreakerEntry(consecutive_failures=1000)
)


def deployed(*models: str, idle_seconds: float = 5.0) -> tuple[DeploymentEntry, ...]:
    """One tier for each model, so that the first is always tried first; only it must hurry."""
    return tuple(
        DeploymentEntry(model=model, tier=tier, timers=TimersEntry(idle_seconds=5.0 if tier else idle_seconds))
        for tier, model in enumerate(models)
    )


def text_of(path: str, body: bytes) -> str:
    """What a client has read of a stream."""
    chunks = [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: {")]
    if path == MESSAGES:
        return "".join(chunk["delta"].get("text", "") for chunk in chunks if chunk["type"] == "content_block_delta")
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))


def ended(path: str, body: bytes) -> bool:
    return b"event: message_stop" in body if path == MESSAGES else b"data: [DONE]" in body


async def whole_text(house: House) -> str:
    """What the deployment says that is not broken."""
    _, _, body = await house.post(CHAT, chat("sim/lorem", WORDS))
    return json.loads(body)["choices"][0]["message"]["content"]


BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])


@BOTH
@pytest.mark.parametrize("fault", ["truncate", "reset", "error-in-stream", "stall"])
@pytest.mark.parametrize("dialects", [("", ""), ("anthropic:", "openai_chat:"), ("openai_chat:", "anthropic:")])
async def test_an_answer_that_breaks_off_is_written_on_by_another_deployment(
    path: str, fault: str, dialects: tuple[str, str]
) -> None:
    broken, whole = dialects
    models = {
        "going-on": ModelEntry(
            deployments=deployed(f"sim/{broken}{fault}", f"sim/{whole}lorem", idle_seconds=0.2), resume="prefill"
        )
    }
    async with running(models=models, routing=PATIENT) as house:
        asked = chat("going-on", WORDS, stream=True, max_tokens=500)
        status, _, body = await house.post(path, asked)
        assert status == 200
        assert text_of(path, body) == (await whole_text(house))
        assert ended(path, body)
        record = house.journal.records[0]
        assert (record.outcome, record.error) == ("ok", "")
        assert [(attempt.outcome, attempt.why) for attempt in record.attempts] == [("failed", ""), ("ok", "resume")]


@BOTH
async def test_without_the_policy_the_client_is_told_that_the_answer_broke(path: str) -> None:
    models = {"honest": ModelEntry(deployments=deployed("sim/truncate", "sim/echo"))}
    async with running(models=models, routing=PATIENT) as house:
        _, _, body = await house.post(path, chat("honest", WORDS, stream=True, max_tokens=500))
        assert not ended(path, body)
        assert b"error" in body
        (record,) = house.journal.records
        assert record.outcome == "failed"


@BOTH
async def test_a_continuation_that_is_refused_is_an_honest_failure(path: str) -> None:
    models = {"refused": ModelEntry(deployments=deployed("sim/truncate", "sim/error-400"), resume="prefill")}
    async with running(models=models, routing=PATIENT) as house:
        _, _, body = await house.post(path, chat("refused", WORDS, stream=True, max_tokens=500))
        assert not ended(path, body)
        (record,) = house.journal.records
        assert record.outcome == "failed"
        assert record.error.startswith("upstream_truncated")
        assert [attempt.outcome for attempt in record.attempts] == ["failed", "failed"]


@BOTH
async def test_an_answer_that_lacks_only_its_end_mark_is_complete(path: str) -> None:
    models = {"unmarked": ModelEntry(deployments=deployed("sim/no-done", "sim/echo"), resume="prefill")}
    async with running(models=models, routing=PATIENT) as house:
        _, _, body = await house.post(path, chat("unmarked", WORDS, stream=True, max_tokens=500))
        assert text_of(path, body) == WORDS
        assert ended(path, body)
        (record,) = house.journal.records
        assert record.outcome == "ok"


async def test_what_a_resumed_answer_cost_is_what_both_attempts_cost() -> None:
    models = {"going-on": ModelEntry(deployments=deployed("sim/truncate", "sim/lorem"), resume="prefill")}
    async with running(models=models, routing=PATIENT) as house:
        asked = chat("going-on", WORDS, stream=True, stream_options={"include_usage": True})
        _, _, body = await house.post(CHAT, asked)
        told = next(
            chunk["usage"]
            for line in body.decode().split("\n")
            if line.startswith("data: {") and (chunk := json.loads(line[6:])).get("usage")
        )
        first, second = [attempt.usage for attempt in house.journal.records[0].attempts]
        assert first is not None
        assert second is not None
        assert told["prompt_tokens"] == first.total_input + second.total_input
        assert told["completion_tokens"] == first.total_output + second.total_output


async def tools_and_text(house: House, model: str) -> bytes:
    tool: dict[str, object] = {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
    }
    return (await house.post(CHAT, chat(model, "both", stream=True, tools=[tool])))[2]


async def test_an_answer_with_tools_passes_through_a_resuming_name_unharmed() -> None:
    models = {"tooled": ModelEntry(deployments=deployed("sim/tools", "sim/echo"), resume="prefill")}
    async with running(models=models, routing=PATIENT) as house:
        body = await tools_and_text(house, "tooled")
        assert b'"name":"weather"' in body
        assert ended(CHAT, body)
        assert len(house.journal.records[0].attempts) == 1


SLOW: Mapping[str, ProviderEntry] = {
    "slow": ProviderEntry(kind="simulator", query={"ttft_ms": "5000"}),
    "quick": ProviderEntry(kind="simulator"),
}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_late_first_token_starts_a_race_and_the_loser_is_cancelled_and_recorded(*, stream: bool) -> None:
    models = {
        "racing": ModelEntry(
            deployments=deployed("slow/echo", "quick/echo"), hedging=HedgingEntry(after_seconds=0.05, budget=1.0)
        )
    }
    async with running(models=models, providers=SLOW, routing=PATIENT) as house:
        status, headers, body = await house.post(CHAT, chat("racing", "fast please", stream=stream))
        assert status == 200
        assert b"please" in body
        assert headers["x-switchgear-deployment"] == "quick/echo"
        (record,) = house.journal.records
        assert [(attempt.deployment, attempt.outcome, attempt.why) for attempt in record.attempts] == [
            ("slow/echo", "cancelled", ""),
            ("quick/echo", "ok", "hedge"),
        ]


async def test_a_first_token_in_time_starts_no_race() -> None:
    models = {
        "racing": ModelEntry(
            deployments=deployed("quick/echo", "slow/echo"), hedging=HedgingEntry(after_seconds=2.0, budget=1.0)
        )
    }
    async with running(models=models, providers=SLOW, routing=PATIENT) as house:
        for _ in range(3):
            await house.post(CHAT, chat("racing", "fast please", stream=True))
        assert [len(record.attempts) for record in house.journal.records] == [1, 1, 1]


async def test_races_stop_when_their_budget_is_used_up() -> None:
    slow = {"slow": ProviderEntry(kind="simulator", query={"ttft_ms": "100"}), "quick": SLOW["quick"]}
    models = {
        "racing": ModelEntry(
            deployments=deployed("slow/echo", "quick/echo"), hedging=HedgingEntry(after_seconds=0.01, budget=0.0)
        )
    }
    async with running(models=models, providers=slow, routing=PATIENT) as house:
        for _ in range(14):
            await house.post(CHAT, chat("racing", "hello"))
        made_twice = [len(record.attempts) == 2 for record in house.journal.records]
        assert made_twice == [True] * 10 + [False] * 4, "the reserve, and then nothing"


async def test_a_race_that_both_lose_is_told_as_the_first_ones_failure() -> None:
    models = {
        "racing": ModelEntry(
            deployments=deployed("slow/error-500", "quick/error-503"),
            hedging=HedgingEntry(after_seconds=0.01, budget=1.0),
            retries=RetriesEntry(attempts=1),
        )
    }
    slow = {"slow": ProviderEntry(kind="simulator", query={"ttft_ms": "100"}), "quick": SLOW["quick"]}
    async with running(models=models, providers=slow, routing=PATIENT) as house:
        status, _, body = await house.post(CHAT, chat("racing", "hello"))
        assert status == 500, body
        assert {attempt.outcome for attempt in house.journal.records[0].attempts} == {"failed"}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_copy_is_recorded_as_a_call_of_its_own_and_never_returned(*, stream: bool) -> None:
    models = {"copied": ModelEntry(deployments=deployed("sim/echo"), shadow=ShadowEntry(to="sim/lorem"))}
    async with running(models=models, routing=PATIENT) as house:
        _, _, body = await house.post(CHAT, chat("copied", "hello there", stream=stream))
        assert b"there" in body
        assert b"lorem" not in body.lower()
        async with asyncio.timeout(5):
            while len(house.journal.records) < 2:
                await asyncio.sleep(0.005)
        call = next(record for record in house.journal.records if not record.shadow_of)
        copy = next(record for record in house.journal.records if record.shadow_of)
        assert copy.shadow_of == call.id
        assert copy.id != call.id
        assert (copy.model, copy.outcome) == ("sim/lorem", "ok")
        assert [attempt.deployment for attempt in call.attempts] == ["sim/echo"]
        assert [attempt.deployment for attempt in copy.attempts] == ["sim/lorem"]


async def test_a_copy_that_fails_harms_nobody() -> None:
    models = {"copied": ModelEntry(deployments=deployed("sim/echo"), shadow=ShadowEntry(to="sim/error-500"))}
    async with running(models=models, routing=RoutingEntry(retries=RetriesEntry(attempts=1))) as house:
        status, _, _ = await house.post(CHAT, chat("copied", "hello there"))
        assert status == 200
        async with asyncio.timeout(5):
            while len(house.journal.records) < 2:
                await asyncio.sleep(0.005)
        assert {record.outcome for record in house.journal.records} == {"ok", "failed"}


async def test_a_fallback_before_content_is_invisible_to_the_client() -> None:
    models = {
        "first": ModelEntry(deployments=deployed("sim/error-529"), fallbacks=FallbacksEntry(any=("second",))),
        "second": ModelEntry(deployments=deployed("sim/echo")),
    }
    async with running(models=models, routing=PATIENT) as house:
        status, headers, body = await house.post(CHAT, chat("first", "hello there", stream=True))
        assert (status, headers["x-switchgear-deployment"]) == (200, "sim/echo")
        assert text_of(CHAT, body) == "hello there"
