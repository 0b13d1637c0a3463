"""A client that leaves takes everything with it: no place stays taken, no answer open, no wait goes on."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from switchgear.kernel.errors import SwitchgearError, UpstreamTruncated, UpstreamUnreachable
from switchgear.kernel.reply import Reply
from tests.routing.lanes import SILENCE, Answer, breaks, refuses, says, streams
from tests.routing.stand import Stand, deployments

HEL = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
ROLE = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
ANSWERS = some.sampled_from(
    (
        says(),
        says(after=1),
        says(after=40),
        refuses(429, retry_after="3"),
        refuses(429),
        refuses(500, after=1),
        refuses(401),
        refuses(400, "content_filter"),
        breaks(UpstreamUnreachable("no")),
        breaks(UpstreamTruncated("cut"), after=1),
        streams(ROLE, SILENCE),
        streams(ROLE, 1.0, HEL, 1.0, HEL, SILENCE),
        streams(ROLE, HEL),
        streams(HEL, UpstreamTruncated("cut")),
        streams(b"data: nonsense\n\n"),
        streams(after=2),
        Answer(steps=(b"<html>",)),
    )
)
FAST = {
    **deployments("a/m", "b/m", max_in_flight=2, max_waiting=3, timers={"first_token_seconds": 5}),
    "fallbacks": {"any": ["next"]},
    "total_seconds": 30,
}
POLICIES: some.SearchStrategy[dict[str, object]] = some.sampled_from(
    (
        {},
        {"resume": "prefill"},
        {"hedging": {"after_seconds": 0.5, "budget": 1}},
        {"hedging": {"after_seconds": 2, "budget": 1}, "resume": "prefill"},
    )
)


async def leaving(stand: Stand, after_seconds: float, frames: int, *, stream: bool) -> None:
    """One call whose client leaves after so long, or after so many frames."""
    call = stand.call(stream=stream)
    reply: Reply | None = None
    with suppress(TimeoutError, SwitchgearError):
        async with asyncio.timeout(after_seconds):
            reply = await stand.route(call)
            if reply.frames is not None:
                for _ in range(frames):
                    with suppress(StopAsyncIteration):
                        await anext(reply.frames)
    if reply is not None:
        reply.close()
    assert all(attempt.duration_ns >= 0 for attempt in call.attempts)
    assert len(call.attempts) <= 12


CLIENTS = some.lists(
    some.tuples(
        some.floats(0, 3), some.sampled_from((0.0, 0.5, 2.0, 4.0, 100.0)), some.integers(0, 9), some.booleans()
    ),
    min_size=1,
    max_size=8,
)


@given(clients=CLIENTS, scripts=some.lists(some.lists(ANSWERS, max_size=5), min_size=3, max_size=3), policy=POLICIES)
def test_whatever_upstreams_answer_and_whenever_clients_leave_everything_is_free_in_the_end(
    clients: list[tuple[float, float, int, bool]], scripts: list[list[Answer]], policy: dict[str, object]
) -> None:
    models = {"fast": {**FAST, **policy}, "next": deployments("c/m", max_in_flight=1)}
    stand = Stand(models, {"breaker": {"consecutive_failures": 3}})
    for name, script in zip("abc", scripts, strict=True):
        stand.lane(name).answers(*script)

    async def scene() -> None:
        async with asyncio.TaskGroup() as group:
            for begin, after, frames, stream in clients:
                await asyncio.sleep(begin)
                group.create_task(leaving(stand, after, frames, stream=stream))

    stand.play(scene())
    stand.assert_nothing_is_left_open()
    # Nobody is a probe for ever: in the end the deployments can be asked again.
    stand.clock.advance(120)
    for name in "abc":
        stand.lane(name).script.clear()
    assert stand.ask(headers={"x-switchgear-retries": "3"}).status == 200


async def left_after(stand: Stand, seconds: float, **asked: object) -> list[tuple[str, str]]:
    """Leave after so long; each attempt's reason and outcome."""
    call = stand.call(**asked)
    task = asyncio.ensure_future(stand.answer(call))
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return [(attempt.why, attempt.outcome) for attempt in call.attempts]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(after_seconds=100), [("", "cancelled")]),
        (streams(ROLE, SILENCE), [("", "cancelled")]),
        (streams(HEL, SILENCE), [("", "cancelled")]),
        (refuses(429, retry_after="20"), [("", "failed")]),
        (refuses(500, after=5), [("", "cancelled")]),
    ],
    ids=["no status", "no content", "content", "a wait", "an error to come"],
)
@pytest.mark.parametrize("stream", [True, False])
def test_wherever_a_call_stands_leaving_ends_it(
    answer: Answer, expected: list[tuple[str, str]], *, stream: bool
) -> None:
    if not stream and answer.headers and b"event-stream" in answer.headers[0][1]:
        answer = Answer(steps=(b'{"choices":', SILENCE))
    stand = Stand({"fast": deployments("a/m", max_in_flight=1)})
    stand.lane("a").always = answer
    assert stand.play(left_after(stand, 2, stream=stream)) == expected
    stand.assert_nothing_is_left_open()
    assert len(stand.sent) == 1
    assert stand.seconds == 2


def test_leaving_the_line_makes_room_for_the_next() -> None:
    stand = Stand({"fast": deployments("a/m", max_in_flight=1, max_waiting=1)})
    stand.lane("a").always = says(after=4)

    async def scene() -> None:
        first = asyncio.ensure_future(stand.answer(stand.call()))
        await asyncio.sleep(0)
        assert await left_after(stand, 1) == []
        second = await stand.answer(stand.call())
        assert (second.status, second.at_seconds) == (200, 8)
        assert (await first).at_seconds == 4

    stand.play(scene())


def test_a_probe_whose_client_leaves_is_followed_by_another() -> None:
    stand = Stand({"fast": deployments("a/m")}, {"retries": {"attempts": 1}, "breaker": {"consecutive_failures": 1}})
    stand.lane("a").answers(refuses(500), says(after=100))
    assert stand.ask().status == 500
    stand.clock.advance(5)
    assert stand.play(left_after(stand, 1)) == [("", "cancelled")]
    assert stand.ask().status == 200


def test_leaving_says_nothing_of_the_deployment() -> None:
    stand = Stand({"fast": deployments("a/m")}, {"breaker": {"consecutive_failures": 1, "minimum_calls": 1}})
    stand.lane("a").always = Answer(after_seconds=100)
    for _ in range(30):
        stand.play(left_after(stand, 1))
    assert stand.health("a/m").is_plain


@pytest.mark.parametrize("seconds", [0.5, 3, 7])
def test_closing_an_answer_while_another_upstream_is_asked_to_go_on_with_it_ends_both(seconds: float) -> None:
    models = {
        "fast": {
            "deployments": [{"model": "a/m"}, {"model": "b/m", "tier": 1}],
            "resume": "prefill",
            "total_seconds": 60,
        }
    }
    stand = Stand(models)
    stand.lane("a").always = streams(HEL, 1.0)
    stand.lane("b").always = streams(HEL, SILENCE, after=5)

    async def scene() -> None:
        reply = await stand.route(stand.call(stream=True))
        assert reply.frames is not None
        reading = asyncio.ensure_future(_read_out(reply))
        await asyncio.sleep(seconds)
        reply.close()
        with pytest.raises(UpstreamTruncated):
            await reading
        assert stand.seconds == seconds

    stand.play(scene())
    stand.assert_nothing_is_left_open()


async def _read_out(reply: Reply) -> None:
    assert reply.frames is not None
    async for _ in reply.frames:
        pass


def test_two_in_a_race_are_both_let_go() -> None:
    models = {"fast": {**deployments("a/m", "b/m"), "hedging": {"after_seconds": 1, "budget": 1}}}
    stand = Stand(models)
    for name in ("a", "b"):
        stand.lane(name).always = streams(ROLE, SILENCE)
    assert stand.play(left_after(stand, 2, stream=True)) == [("", "cancelled"), ("hedge", "cancelled")]
    stand.assert_nothing_is_left_open()
