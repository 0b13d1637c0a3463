"""How the simulator fails, and when: errors, silence, breaks, and the caller's timers."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest
from msgspec.json import decode
from msgspec.structs import replace

from switchgear.kernel.chat import Delta, Done
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import (
    ConfigError,
    Phase,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.retrieval import Embed
from switchgear.kernel.upstream import ProviderSettings, Timers
from switchgear.providers.simulator import MODELS, Simulator, SimulatorProvider
from tests.providers.canonical_dialect import CanonicalDialect, encoded, read_lines
from tests.providers.conftest import MOST_BYTES, Stage, say

ERRORS = [model.name for model in MODELS if model.name.startswith(("error-4", "error-5"))]
STREAM = say("hello there world", stream=True)


async def read_until_it_breaks(stage: Stage, model: str) -> tuple[bytes, UpstreamError | None]:
    reply = await stage.ask(model, STREAM)
    assert reply.status == 200
    seen = b""
    try:
        while data := await reply.read():
            seen += data
    except UpstreamError as error:
        return seen, error
    return seen, None


def deltas(raw: bytes) -> int:
    return sum(isinstance(each, Delta) for each in read_lines(raw))


@pytest.mark.parametrize("model", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_comes_with_its_status_in_the_dialect(stage: Stage, model: str, stream: bool) -> None:
    reply = await stage.ask(model, replace(STREAM, stream=stream))
    status = int(model.removeprefix("error-"))
    assert reply.status == status
    assert decode(await reply.read_all(MOST_BYTES), type=dict[str, object])["status"] == status


async def test_only_the_rate_limit_says_when_to_come_back(stage: Stage) -> None:
    replies = {model: dict((await stage.ask(model)).headers) for model in ERRORS}
    told = {model: headers[b"retry-after"] for model, headers in replies.items() if b"retry-after" in headers}
    assert told == {"error-429": b"2"}


async def test_an_error_answers_embeddings_too(stage: Stage) -> None:
    body = encoded(Embed(model="any", inputs=("x",)))
    assert (await stage.send("error-503", body, "embeddings")).status == 503


async def test_every_reply_is_labelled(stage: Stage) -> None:
    for model in ("echo", "error-500", "html", "no-such-model", "echo?tokens=x"):
        headers = dict((await stage.ask(model)).headers)
        assert headers[b"x-switchgear-simulator"] == b"true"
        assert headers[b"x-request-id"].startswith(b"sim-")


async def test_an_unknown_model_is_not_found_and_close_names_are_told(stage: Stage) -> None:
    reply = await stage.ask("eco")
    assert reply.status == 404
    assert b"did you mean echo?" in await reply.read_all(MOST_BYTES)


@pytest.mark.parametrize("query", ["tokens=many", "tokens=-1", "speed=9", "ttft_ms=nan", "ttft_ms=inf", "tokens=1e9"])
async def test_a_wrong_parameter_is_refused(stage: Stage, query: str) -> None:
    assert (await stage.ask(f"echo?{query}")).status == 400


async def test_a_body_that_the_dialect_cannot_read_is_the_callers_mistake(stage: Stage) -> None:
    assert (await stage.send("echo", b"not a request")).status == 400


def test_wrong_defaults_in_the_configuration_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"providers\.fast\.query"):
        SimulatorProvider(ProviderSettings(name="fast", query={"speed": "9"}))


async def test_defaults_of_the_configuration_count_and_the_models_name_wins(stage: Stage) -> None:
    stage.provider = SimulatorProvider(ProviderSettings(name="sim", query={"ttft_ms": "500", "tokens": "2"}))
    await stage.ask("echo?tokens=1")
    assert stage.seconds == 0.5


@pytest.mark.parametrize(("model", "before"), [("truncate", 3), ("truncate?fault_after_tokens=0", 0)])
async def test_a_truncated_stream_ends_cleanly_and_too_early(stage: Stage, model: str, before: int) -> None:
    seen, error = await read_until_it_breaks(stage, model)
    assert error is None
    assert deltas(seen) == before
    assert not isinstance(read_lines(seen)[-1], Done)


async def test_a_reset_breaks_the_stream(stage: Stage) -> None:
    seen, error = await read_until_it_breaks(stage, "reset?fault_after_tokens=5")
    assert deltas(seen) == 5
    assert isinstance(error, UpstreamTruncated)


async def test_a_reset_breaks_a_whole_answer_in_the_middle(stage: Stage) -> None:
    with pytest.raises(UpstreamTruncated):
        await stage.whole("reset")


async def test_a_truncated_whole_answer_is_half_of_one(stage: Stage) -> None:
    assert (await stage.whole("truncate")).startswith(b'{"id":"sim-')


async def test_an_error_in_the_stream_is_its_last_frame(stage: Stage) -> None:
    seen, error = await read_until_it_breaks(stage, "error-in-stream?status=529")
    assert error is None
    assert deltas(b"".join(seen.splitlines(keepends=True)[:-1])) == 3
    assert seen.endswith(b'{"failure":529,"code":"overloaded"}\n')


async def test_an_error_under_status_200(stage: Stage) -> None:
    reply = await stage.ask("error-in-stream")
    assert reply.status == 200
    assert decode(await reply.read_all(MOST_BYTES), type=dict[str, object])["status"] == 500


async def test_a_stream_without_its_end_mark_is_otherwise_whole(stage: Stage) -> None:
    seen, error = await read_until_it_breaks(stage, "no-done")
    assert error is None
    full = read_lines(await stage.whole("echo", STREAM))
    assert [type(each) for each in read_lines(seen)] == [type(each) for each in full][:-1]


@pytest.mark.parametrize(
    ("model", "start", "status"),
    [("html", b"<!doctype html>", 200), ("html?status=502", b"<!doctype html>", 502), ("garbage", b"\xff\xfe", 200)],
)
async def test_answers_that_are_no_dialect(stage: Stage, model: str, start: bytes, status: int) -> None:
    reply = await stage.ask(model, STREAM)
    assert reply.status == status
    assert (await reply.read_all(MOST_BYTES)).startswith(start)


async def test_an_empty_answer(stage: Stage) -> None:
    assert await stage.whole("empty") == b""


async def test_nobody_is_there(stage: Stage) -> None:
    with pytest.raises(UpstreamUnreachable):
        await stage.ask("unreachable")


async def test_a_dialect_forced_by_the_models_name(stage: Stage) -> None:
    target = stage.provider.target("chat", "canonical", "other:echo?tokens=1")
    assert target is not None
    assert target.dialect == "other"
    assert (await stage.simulator.send(target, encoded(say("x")), stage.timers)).status == 200


async def test_a_dialect_it_was_not_handed(stage: Stage) -> None:
    with pytest.raises(UpstreamUnreachable, match="'klingon'; it speaks canonical, other"):
        await stage.ask("klingon:echo")


async def test_latency_is_as_scripted(stage: Stage) -> None:
    reply = await stage.ask("echo?ttft_ms=500&tokens_per_second=4", STREAM)
    assert stage.seconds == 0
    arrivals: list[float] = []
    while data := await reply.read():
        arrivals += [stage.seconds] * deltas(data)
    assert arrivals == [0.5, 0.75, 1.0]


async def test_a_whole_answer_takes_as_long_as_its_tokens(stage: Stage) -> None:
    await stage.ask("slow")
    assert stage.seconds == pytest.approx(2.1)


@pytest.mark.parametrize(
    ("model", "timers", "phase", "fires_at"),
    [
        ("stall-first", Timers(first_byte_seconds=3), "first_byte", 3.0),
        ("stall-first", Timers(first_byte_seconds=9, total_seconds=2), "total", 2.0),
        ("stall", Timers(idle_seconds=4), "idle", 4.0),
        ("stall?ttft_ms=1000", Timers(idle_seconds=4), "idle", 5.0),
        ("stall?ttft_ms=1000", Timers(idle_seconds=40, total_seconds=7), "total", 7.0),
        ("slow", Timers(first_byte_seconds=1), "first_byte", 1.0),
        ("lorem?tokens_per_second=1", Timers(total_seconds=2.5), "total", 2.5),
        ("lorem?tokens_per_second=0.5", Timers(idle_seconds=1), "idle", 1.0),
    ],
)
async def test_silence_fires_the_timer(stage: Stage, model: str, timers: Timers, phase: Phase, fires_at: float) -> None:
    stage.timers = timers
    with pytest.raises(UpstreamTimeout) as caught:
        await (await stage.ask(model, STREAM)).read_all(MOST_BYTES)
    assert caught.value.phase == phase
    assert stage.seconds == pytest.approx(fires_at)


async def test_a_broken_reply_stays_broken(stage: Stage) -> None:
    reply = await stage.ask("reset", STREAM)
    with pytest.raises(UpstreamTruncated):
        await reply.read_all(MOST_BYTES)
    with pytest.raises(UpstreamTruncated):
        await reply.read()


async def test_an_answer_over_the_limit_is_refused(stage: Stage) -> None:
    with pytest.raises(UpstreamGarbled):
        await (await stage.ask("lorem")).read_all(10)


async def test_a_closed_simulator_takes_no_calls(stage: Stage) -> None:
    await stage.simulator.aclose()
    with pytest.raises(UpstreamUnreachable):
        await stage.ask("echo")


class TestOnTheRealClock:
    @pytest.fixture
    def stage(self) -> Stage:
        stage = Stage()
        stage.simulator = Simulator(
            {"canonical": CanonicalDialect()},
            clock=SystemClock(),
            random_bits=seeded_bits(),
            sleep=asyncio.sleep,
        )
        return stage

    async def test_closing_ends_a_read_that_waits_at_once(self, stage: Stage) -> None:
        reply = await stage.ask("stall?fault_after_tokens=0", STREAM)
        for _ in ("start", "part"):
            assert await self._soon(reply.read())
        reading = asyncio.ensure_future(reply.read())
        await asyncio.sleep(0)
        reply.close()
        reply.close()
        with pytest.raises(UpstreamTruncated):
            await self._soon(reading)

    async def test_cancelling_the_reader_leaves_nothing_running(self, stage: Stage) -> None:
        before = asyncio.all_tasks()
        sending = asyncio.ensure_future(stage.ask("stall-first", STREAM))
        await asyncio.sleep(0)
        sending.cancel()
        reading = asyncio.ensure_future((await stage.ask("echo?ttft_ms=60000", STREAM)).read())
        await asyncio.sleep(0)
        reading.cancel()
        for task in (sending, reading):
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    async def _soon(self, reading: Awaitable[bytes]) -> bytes:
        return await asyncio.wait_for(reading, 5)
