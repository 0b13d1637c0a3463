"""A call's record becomes spans."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdCompressor

from switchgear.kernel.chat import Usage
from switchgear.kernel.record import Attempt, CallRecord, CapturedRecord, Wait
from switchgear.kernel.span import Span
from switchgear.ledger.row import BUCKETS, rows_of
from switchgear.traces.gateway_content import CUT_ANSWER, ContentReader
from switchgear.traces.gateway_spans import SILENT, CallRules, Said
from switchgear.traces.gateway_spans import spans_of as made_of
from switchgear.wire.registry import discover
from tests.traces.samples import attempt, record

MS: Final = 1_000_000
NO_KINDS: Final[Mapping[str, str]] = MappingProxyType({})
READER: Final = ContentReader(discover())


def spans_of(told: CallRecord, said: Said = SILENT, kinds: Mapping[str, str] = NO_KINDS) -> list[Span]:
    """All there are."""
    return made_of(told, said, CallRules(kinds=kinds, steps="all"))


def priced(**changes: object) -> Attempt:
    return attempt(**{"cost_nano_usd": 700, "cost": "settled", "price": "p1", **changes})


def captured(**changes: object) -> CapturedRecord:
    plain = msgspec.convert(msgspec.to_builtins(record(1)), CapturedRecord)
    return msgspec.structs.replace(plain, **{"capture": "full", "dialect": "openai_chat", **changes})


def test_the_calls_span_says_who_asked_what_and_what_it_cost() -> None:
    call, tried = spans_of(record(7, user="u", session="s", tags=("a",), attempts=[priced()]), kinds={"openai": "xai"})

    assert (call.trace_id, call.span_id, call.parent_id) == (f"{7:032x}", f"{7:016x}", "")
    assert (call.name, call.kind, call.operation, call.provider) == ("chat small", "llm", "chat", "x_ai")
    assert (call.user, call.session, call.tags, call.key) == ("u", "s", ("a",), "team-a")
    assert (call.model, call.route, call.finish) == ("gpt-4o-mini", "openai/gpt-4o-mini", "stop")
    assert (call.cost_nano_usd, call.cost_source, call.price, call.counted) == (700, "computed", "p1", True)
    assert (tried.parent_id, tried.counted, tried.cost_nano_usd) == (call.span_id, False, 700)
    assert call.duration_ns == 250 * MS


def test_a_fallback_counts_what_the_failed_attempt_cost_too() -> None:
    failed = priced(outcome="failed", error="upstream_error: no", status=500, cause="server", cost_nano_usd=5)
    answered = priced(deployment="b/m", provider="b", why="fallback")

    call, first, second = spans_of(record(attempts=[failed, answered]))

    assert (first.counted, first.status, first.attributes["switchgear.cause"]) == (True, "error", "server")
    assert (second.counted, second.attributes["switchgear.why"]) == (False, "fallback")
    assert (call.counted, call.route, call.status) == (True, "b/m", "ok")


def test_a_trace_that_the_call_came_with_goes_on() -> None:
    told = record(trace_id="ab" * 16, parent_span_id="cd" * 8, attempts=[attempt(span_id="ef" * 8)])

    call, tried = spans_of(told)

    assert (call.trace_id, call.parent_id) == ("ab" * 16, "cd" * 8)
    assert (tried.trace_id, tried.span_id) == ("ab" * 16, "ef" * 8)


def test_the_steps_before_an_attempt_are_spans_where_their_times_are_known() -> None:
    waited = (Wait(deployment="a/m", began_ns=3 * MS, duration_ns=40 * MS),)
    _, authenticate, limit, queue, _ = spans_of(record(authenticated_ns=MS, limited_ns=2 * MS, waits=waited))

    assert [each.name for each in (authenticate, limit, queue)] == ["authenticate", "limit", "queue"]
    assert [each.duration_ns for each in (authenticate, limit, queue)] == [MS, MS, 40 * MS]
    assert queue.route == "a/m"


def test_a_call_that_its_limit_refused_says_where() -> None:
    refused = record(outcome="refused", status=429, error="rate_limit_exceeded: no", attempts=[], limited_ns=2 * MS)

    call, _, limit = spans_of(refused)

    assert (call.status, limit.status, call.cost_nano_usd, call.counted) == ("error", "error", 0, True)


def test_a_copy_stands_in_its_projects_trace_and_costs_it_nothing() -> None:
    spans = spans_of(record(3, shadow_of="0f" * 16, project="bots", attempts=[priced(), priced()]))

    assert {each.project for each in spans} == {"bots"}
    assert {each.trace_id for each in spans} == {"0f" * 16}
    assert not any(each.counted for each in spans)


def test_a_stream_tells_when_its_first_token_came() -> None:
    streamed = record(stream=True, attempts=[attempt(first_token_ns=9 * MS)])

    assert spans_of(streamed)[0].first_token_ns == 9 * MS
    assert spans_of(record(attempts=[attempt(first_token_ns=9 * MS)]))[0].first_token_ns == 0


def test_a_call_that_went_well_at_once_is_one_span_with_the_times_of_its_steps() -> None:
    told = record(4, authenticated_ns=20_000, limited_ns=50_000, attempts=[priced(upstream_id="req-1")])
    (call,) = made_of(told)

    assert call.attributes["switchgear.authenticate_ns"] == 20_000
    assert call.attributes["switchgear.limit_ns"] == 30_000
    assert call.attributes["switchgear.upstream_request_id"] == "req-1"
    assert call.attributes["switchgear.attempt.duration_ns"] == told.attempts[0].duration_ns
    assert (call.cost_nano_usd, call.route) == (700, "openai/gpt-4o-mini")


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts": [priced(outcome="failed", error="x: y"), priced(why="retry")]},
        {"attempts": [priced(span_id="ef" * 8)], "trace_id": "ab" * 16},
        {"outcome": "cancelled"},
        {"limited_ns": 2 * MS},
        {"waits": (Wait(deployment="a/m", began_ns=0, duration_ns=MS),)},
        {"shadow_of": "0f" * 16},
    ],
    ids="-".join,
)
def test_a_call_whose_steps_say_something_has_them_as_spans(changes: dict[str, object]) -> None:
    told = msgspec.structs.replace(record(1, attempts=[priced()]), **changes)

    assert len(made_of(told)) > 1


@given(st.lists(st.integers(min_value=0, max_value=2**128 - 1), min_size=1, max_size=50), st.floats(0, 1))
def test_of_a_trace_all_calls_are_kept_or_none_and_more_of_them_at_a_higher_rate(ids: list[int], rate: float) -> None:
    lower, higher = CallRules(sample=rate / 2), CallRules(sample=rate)
    for number in ids:
        call, other = record(number), record(1, trace_id=f"{number:032x}")
        assert lower.keeps(call) == lower.keeps(other)
        assert higher.keeps(call) or not lower.keeps(call)


def test_a_share_of_calls_is_kept_and_every_failure() -> None:
    rules = CallRules(sample=0.25)
    spread = [record(number * (1 << 56) // 1_000) for number in range(1_000)]

    assert sum(rules.keeps(each) for each in spread) == 250
    assert CallRules(sample=0).keeps(record(0, outcome="failed"))
    assert not any(CallRules(sample=0).keeps(each) for each in spread)


counts = st.integers(min_value=0, max_value=10**6)
attempts = st.builds(
    Attempt,
    deployment=st.sampled_from(["a/m", "b/m"]),
    provider=st.sampled_from(["a", "b"]),
    model=st.just("m"),
    started_ns=st.integers(min_value=1, max_value=2**62),
    duration_ns=st.integers(min_value=-5, max_value=10**12),
    status=st.sampled_from([0, 200, 500]),
    outcome=st.sampled_from(["ok", "failed", "cancelled"]),
    usage=st.none() | st.builds(Usage, input=counts, output=counts, cache_read=counts, reasoning=counts),
    cost_nano_usd=st.integers(min_value=0, max_value=10**9),
    cost=st.sampled_from(["", "settled", "estimated", "void", "unknown"]),
)
records = st.builds(
    CallRecord,
    id=st.integers(min_value=0, max_value=2**128 - 1).map(lambda number: f"{number:032x}"),
    started_ns=st.integers(min_value=1, max_value=2**62),
    door=st.just("openai"),
    operation=st.sampled_from(["chat", "embeddings", "files", "realtime", "anything"]),
    project=st.sampled_from(["", "bots"]),
    duration_ns=st.integers(min_value=-5, max_value=10**12),
    outcome=st.sampled_from(["ok", "refused", "failed", "cancelled"]),
    attempts=st.lists(attempts, max_size=5),
    limited_ns=st.integers(min_value=0, max_value=10**9),
    authenticated_ns=st.integers(min_value=-5, max_value=10**9),
    shadow_of=st.sampled_from(["", "0f" * 16]),
    stream=st.booleans(),
)


@given(records)
def test_counted_spans_sum_up_to_the_ledgers_rows(made: CallRecord) -> None:
    spans = [each for each in spans_of(made) if each.counted]
    rows = [] if made.shadow_of else list(rows_of(made))

    for route in {row.deployment for row in rows}:
        counted = [each for each in spans if each.route == route]
        owed = [row for row in rows if row.deployment == route]
        assert sum(each.cost_nano_usd or 0 for each in counted) == sum(row.cost_nano_usd for row in owed)
        for bucket in BUCKETS:
            told = sum(getattr(each.usage, bucket) for each in counted if each.usage is not None)
            assert told == sum(getattr(row, bucket) for row in owed)


@given(records)
def test_spans_are_well_formed_and_the_same_each_time(made: CallRecord) -> None:
    spans = spans_of(made)

    assert spans == spans_of(made)
    assert len({each.span_id for each in spans}) == len(spans)
    assert all(len(each.span_id) == 16 and int(each.span_id, 16) for each in spans)
    assert all(each.ended_ns >= each.started_ns for each in spans)
    assert all(each.parent_id == spans[0].span_id for each in spans[1:])


ASKED: Final = json.dumps(
    {
        "model": "small",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello, who is there?"}],
    }
).encode()
FRAMES: Final = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"It is"},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"content":" me."},"finish_reason":"stop"}]}\n\n'
)


def test_a_captured_stream_becomes_messages() -> None:
    said = READER.said(captured(request_body=ASKED, answer_frames=ZstdCompressor().compress(FRAMES), answer_cut=True))

    assert [json.loads(part) for part in said.input.parts] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hello, who is there?"}]},
    ]
    (answer,) = said.output.parts
    assert json.loads(answer)["parts"] == [{"type": "text", "content": "It is me."}]
    assert (said.input.preview, said.output.preview) == ("Hello, who is there?", "It is me.")
    assert said.findings == (CUT_ANSWER,)


@given(st.binary(max_size=200), st.sampled_from(["openai_chat", "anthropic", "gemini", ""]))
def test_whatever_was_sent_is_kept_or_left_out_and_never_fails(body: bytes, dialect: str) -> None:
    said = READER.said(captured(dialect=dialect, request_body=body, answer_body=body))

    for part in (*said.input.parts, *said.output.parts):
        json.loads(part)


def test_readers_of_records_alone_do_not_hold_what_was_said() -> None:
    written = msgspec.msgpack.encode(captured(request_body=ASKED))

    assert type(msgspec.msgpack.decode(written, type=CallRecord)) is CallRecord
    assert msgspec.msgpack.decode(written, type=CapturedRecord).request_body == ASKED
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record(1)), type=CapturedRecord).capture == "none"
