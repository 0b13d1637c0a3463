"""Until the first content an upstream can be replaced unseen; from then on an answer that breaks is told as broken."""

import json

import pytest

from switchgear.kernel.errors import UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamTruncated
from tests.routing.lanes import SILENCE, Step, streams
from tests.routing.stand import Answered, Stand

BOTH = ("openai_chat", "anthropic")
PAIRS = pytest.mark.parametrize(("door", "upstream"), [(door, upstream) for door in BOTH for upstream in BOTH])
END_MARKS = {"openai_chat": b"data: [DONE]", "anthropic": b"message_stop"}


def compact(data: object) -> str:
    """JSON as the vendors write it."""
    return json.dumps(data, separators=(",", ":"))


def chunk(delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
    """One chunk of OpenAI's."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    return f"data: {compact(data)}\n\n".encode()


def event(kind: str, **fields: object) -> bytes:
    """One event of Anthropic's."""
    return f"event: {kind}\ndata: {compact({'type': kind, **fields})}\n\n".encode()


USED = {"input_tokens": 3, "output_tokens": 1}
MESSAGE: dict[str, object] = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [],
                              "stop_reason": None, "stop_sequence": None, "usage": USED}  # fmt: skip
BEFORE: dict[str, dict[str, bytes]] = {
    "openai_chat": {
        "a comment": b": ping\n\n",
        "a role": chunk({"role": "assistant", "content": ""}),
        "a role with null": chunk({"role": "assistant", "content": None}),
        "an empty delta": chunk({}),
        "an empty text": chunk({"content": ""}),
        "no choices": b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n',
        "a filter's report": chunk({}, prompt_filter_results=[{"prompt_index": 0}]),
    },
    "anthropic": {
        "a comment": b": ping\n\n",
        "a ping": event("ping"),
        "a message's start": event("message_start", message=MESSAGE),
        "a block's start": event("message_start", message=MESSAGE)
        + event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        "an empty text": event("message_start", message=MESSAGE)
        + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=0, delta={"type": "text_delta", "text": ""}),
        "an empty thought": event("message_start", message=MESSAGE)
        + event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": ""}),
        "an empty argument": event("message_start", message=MESSAGE)
        + event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}})
        + event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": ""}),
    },
}  # fmt: skip
CONTENT = {
    "openai_chat": chunk({"role": "assistant", "content": "Hel"}),
    "anthropic": event("message_start", message=MESSAGE)
    + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hel"}),
}
OVERLOADED = {
    "openai_chat": b'data: {"error":{"message":"busy","type":"overloaded_error","code":529,"param":null}}\n\n',
    "anthropic": event("error", error={"type": "overloaded_error", "message": "busy"}),
}
PROLOGUES = [(upstream, name) for upstream in BOTH for name in BEFORE[upstream]]
EVERY_PROLOGUE = pytest.mark.parametrize(("upstream", "prologue"), PROLOGUES)
DOORS = pytest.mark.parametrize("door", BOTH)


def two(upstream: str, *steps: Step, **terms: object) -> Stand:
    """A first deployment that plays these steps, and a second that says Hello."""
    models = {"fast": {"deployments": [{"model": "a/m", **terms}, {"model": "b/m", "tier": 1}]}}
    stand = Stand(models, {"retries": {"base_seconds": 0}}, dialects={"a": upstream, "b": upstream})
    stand.lane("a").always = streams(*steps)
    return stand


def is_hello(done: Answered, door: str) -> bool:
    """Whether the client got the second deployment's whole answer and nothing of the first's."""
    return (
        done.status == 200
        and done.error is None
        and b"Hello" in done.body
        and b"busy" not in done.body
        and done.body.count(END_MARKS[door]) == (1 if door == "openai_chat" else 2)
    )


@EVERY_PROLOGUE
@DOORS
def test_an_error_before_any_content_is_never_seen(door: str, upstream: str, prologue: str) -> None:
    stand = two(upstream, BEFORE[upstream][prologue], OVERLOADED[upstream])
    done = stand.ask(dialect=door, stream=True)
    assert is_hello(done, door), done.body
    assert done.whys == [("", "overloaded"), ("fallback", "")]
    assert done.attempts[0].first_token_ns == 0


@PAIRS
def test_an_overload_as_the_first_event_is_never_seen(door: str, upstream: str) -> None:
    done = two(upstream, OVERLOADED[upstream]).ask(dialect=door, stream=True)
    assert is_hello(done, door), done.body


@PAIRS
def test_an_error_in_the_same_bytes_as_what_comes_before_content_is_never_seen(door: str, upstream: str) -> None:
    for prologue in BEFORE[upstream].values():
        done = two(upstream, prologue + OVERLOADED[upstream]).ask(dialect=door, stream=True)
        assert is_hello(done, door), done.body


@EVERY_PROLOGUE
@DOORS
def test_what_says_nothing_does_not_stop_the_timer_of_the_first_token(door: str, upstream: str, prologue: str) -> None:
    first = BEFORE[upstream][prologue]
    more = (first if b"message_start" not in first else event("ping"), 1.0) * 20
    stand = two(upstream, first, 1.0, *more, CONTENT[upstream], timers={"first_token_seconds": 3})
    done = stand.ask(dialect=door, stream=True)
    assert is_hello(done, door), done.body
    assert stand.lane("b").seconds == [3]
    assert done.whys == [("", "timeout"), ("fallback", "")]


@PAIRS
@pytest.mark.parametrize("seconds", [0, 2, 4])
def test_the_timer_of_the_first_token_begins_when_the_request_is_sent(door: str, upstream: str, seconds: float) -> None:
    stand = two(upstream, timers={"first_token_seconds": 3})
    first = next(iter(BEFORE[upstream].values()))
    stand.lane("a").always = streams(first, 2.5, CONTENT[upstream], SILENCE, after=seconds)
    done = stand.ask(dialect=door, stream=True, headers={"x-switchgear-timeout": "20"})
    if seconds:
        assert is_hello(done, door)
        assert stand.lane("b").seconds == [3]
    else:
        assert stand.lane("b").seconds == []


def test_a_caller_may_wish_for_another_first_token_timer() -> None:
    stand = two("openai_chat", SILENCE)
    done = stand.ask(stream=True, headers={"x-litellm-stream-timeout": "1.5"})
    assert stand.lane("b").seconds == [1.5]
    assert done.status == 200


def test_the_timer_of_the_first_token_does_not_concern_whole_answers() -> None:
    stand = two("openai_chat", timers={"first_token_seconds": 1})
    stand.lane("a").always = type(stand.lane("a").always)(says="Hello", after_seconds=30)
    assert stand.ask().at_seconds == 30


def test_the_first_token_is_timed_from_the_start_of_the_attempt() -> None:
    stand = two("openai_chat", chunk({"role": "assistant", "content": ""}), 2.0, CONTENT["openai_chat"],
                chunk({}, "stop"), b"data: [DONE]\n\n")  # fmt: skip
    attempt = stand.ask(stream=True).attempts[0]
    assert (attempt.first_byte_ns, attempt.first_token_ns) == (0, 2_000_000_000)


@PAIRS
def test_an_error_in_the_same_bytes_as_the_first_content_is_never_seen_either(door: str, upstream: str) -> None:
    done = two(upstream, CONTENT[upstream] + OVERLOADED[upstream]).ask(dialect=door, stream=True)
    assert is_hello(done, door), done.body
    assert b"Hel" not in done.body.replace(b"Hello", b"")
    assert [attempt.outcome for attempt in done.attempts] == ["failed", "ok"]
    usage = done.attempts[0].usage
    assert usage is not None
    assert usage.estimated


BROKEN: list[tuple[Step | None, str]] = [
    (None, "truncated"),
    (UpstreamTruncated("reset"), "truncated"),
    (UpstreamTimeout("silent", phase="idle"), "timeout"),
    (SILENCE, "timeout"),
]


@PAIRS
@pytest.mark.parametrize(("step", "cause"), BROKEN)
def test_what_breaks_before_content_is_never_seen(door: str, upstream: str, step: Step | None, cause: str) -> None:
    steps = () if step is None else (step,)
    for prologue in BEFORE[upstream].values():
        done = two(upstream, prologue, *steps).ask(dialect=door, stream=True)
        assert is_hello(done, door), done.body
        assert done.whys == [("", cause), ("fallback", "")]


@PAIRS
@pytest.mark.parametrize(("step", "cause"), BROKEN)
@pytest.mark.parametrize("pieces", [1, 40])
def test_what_breaks_after_content_is_told_and_never_looks_complete(
    door: str, upstream: str, step: Step | None, cause: str, pieces: int
) -> None:
    more = CONTENT[upstream].rpartition(b"event: ")[2] if upstream == "anthropic" else CONTENT[upstream]
    again = (b"event: " if upstream == "anthropic" else b"") + more
    steps = () if step is None else (step,)
    stand = two(upstream, CONTENT[upstream], *(again,) * (pieces - 1), *steps)
    done = stand.ask(dialect=door, stream=True)
    assert done.status == 200
    assert isinstance(done.error, UpstreamError)
    assert END_MARKS[door] not in done.body
    assert b"Hel" in done.body
    assert [attempt.outcome for attempt in done.attempts] == ["failed"]
    assert done.attempts[0].cause == cause
    usage = done.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.output >= pieces
    assert stand.lane("b").asked == []


@PAIRS
def test_an_error_after_content_is_told_once_and_nothing_follows_it(door: str, upstream: str) -> None:
    stand = two(upstream, CONTENT[upstream], OVERLOADED[upstream], CONTENT[upstream])
    done = stand.ask(dialect=door, stream=True)
    assert done.body.count(b"busy") == 1
    assert done.body.count(b"Hel") == 1
    assert END_MARKS[door] not in done.body
    assert done.attempts[0].cause == "overloaded"
    assert stand.lane("b").asked == []


@PAIRS
def test_an_answer_that_ends_well_without_a_word_is_an_answer(door: str, upstream: str) -> None:
    ends = {
        "openai_chat": (chunk({"role": "assistant"}), chunk({}, "stop"), b"data: [DONE]\n\n"),
        "anthropic": (event("message_start", message=MESSAGE),
                      event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 0}),
                      event("message_stop")),
    }  # fmt: skip
    done = two(upstream, *ends[upstream]).ask(dialect=door, stream=True)
    assert (done.status, done.error, len(done.attempts)) == (200, None, 1)


@pytest.mark.parametrize(("door", "upstream"), [("openai_chat", "openai_chat"), ("anthropic", "openai_chat"),
                                                ("openai_chat", "anthropic")])  # fmt: skip
def test_nonsense_breaks_an_answer_too(door: str, upstream: str) -> None:
    done = two(upstream, b"data: {not json\n\n").ask(dialect=door, stream=True)
    assert is_hello(done, door), done.body
    assert done.whys == [("", "garbled"), ("fallback", "")]
    done = two(upstream, CONTENT[upstream], b"data: {not json\n\n").ask(dialect=door, stream=True)
    assert isinstance(done.error, UpstreamGarbled)
    assert END_MARKS[door] not in done.body
