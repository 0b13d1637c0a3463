"""Whatever becomes of a call, each upstream is told the caller's trace and a span that is kept in one tree."""

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import (
    DeploymentEntry,
    FallbacksEntry,
    HedgingEntry,
    ModelEntry,
    RetriesEntry,
    RoutingEntry,
)
from switchgear.kernel.record import CallRecord
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.gateway_spans import spans_of
from tests.doors.house import chat, running
from tests.doors.test_realtime import BEARER, REALTIME, Studio, house_of, url
from tests.doors.test_traces_of_calls import ANSWER, PARENT, SPAN, TRACE

FAILED = b"HTTP/1.1 500 X\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
WHOLE = b"HTTP/1.1 200 X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
SAYS = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%b}]}\n\n'
)
STREAM = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
PIECE = SAYS % b'{"role":"assistant","content":"Hi"}'
LAST = SAYS.replace(b'"delta":%b', b'"delta":{},"finish_reason":"stop"') + b"data: [DONE]\n\n"
LATE = b""
"""The upstream never answers."""


class Scripted:
    """Answers one request after another, and remembers the headers of each."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.told: list[dict[str, str]] = []

    async def __call__(self, peer: Peer) -> None:
        head, _ = await peer.request()
        lines = [line.partition(": ") for line in head.decode().split("\r\n")]
        self.told.append({name.lower(): value for name, _, value in lines})
        answer = self.answers.pop(0)
        if answer == LATE:
            await peer.gone()
        else:
            await peer.send(answer)


def vendor(upstream: ScriptedUpstream) -> dict[str, ProviderEntry]:
    """Two by name, one in truth, so that what both are told stands in one list."""
    made = ProviderEntry(kind="openai_compatible", base_url=f"http://{upstream.origin.authority}/v1")
    return {"vendor": made, "other": made}


def deployments(count: int) -> tuple[DeploymentEntry, ...]:
    """One to be asked after the other."""
    return tuple(DeploymentEntry(model=f"vendor/m{tier}", tier=tier, prefill=True) for tier in range(count))


def assert_hangs_together(record: CallRecord, told: list[dict[str, str]]) -> None:
    """What the upstreams were told are spans of the call, and all of these stand under one, which is the caller's."""
    spans = {span.span_id: span for span in spans_of(record)}
    assert {span.trace_id for span in spans.values()} == {TRACE}
    assert [span.parent_id for span in spans.values() if span.parent_id not in spans] == [SPAN]
    parents = [each["traceparent"].split("-") for each in told]
    assert [(version, trace, flags) for version, trace, _, flags in parents] == [("00", TRACE, "01")] * len(told)
    asked = [span_id for _, _, span_id, _ in parents]
    assert len(set(asked)) == len(asked)
    assert set(asked) <= spans.keys()
    assert sorted(asked) == sorted(attempt.span_id for attempt in record.attempts)


@pytest.mark.parametrize(
    ("answers", "models", "stream", "whys"),
    [
        ([WHOLE], {"m": ModelEntry(deployments=deployments(1))}, False, [""]),
        ([STREAM + PIECE + LAST], {"m": ModelEntry(deployments=deployments(1))}, True, [""]),
        ([FAILED, WHOLE], {"m": ModelEntry(deployments=deployments(1))}, False, ["", "retry"]),
        (
            [FAILED, FAILED, WHOLE],
            {
                "m": ModelEntry(deployments=deployments(1), fallbacks=FallbacksEntry(any=("spare",))),
                "spare": ModelEntry(deployments=(DeploymentEntry(model="other/m"),)),
            },
            False,
            ["", "retry", "fallback"],
        ),
        (
            [LATE, WHOLE],
            {"m": ModelEntry(deployments=deployments(2), hedging=HedgingEntry(after_seconds=0.01, budget=1.0))},
            False,
            ["", "hedge"],
        ),
        (
            [STREAM + PIECE, STREAM + PIECE + LAST],
            {"m": ModelEntry(deployments=deployments(2), resume="prefill")},
            True,
            ["", "resume"],
        ),
    ],
    ids=["plain", "streamed", "retried", "fallback", "hedged", "resumed"],
)
async def test_each_upstream_is_told_a_span_that_is_kept(
    answers: list[bytes], models: dict[str, ModelEntry], stream: bool, whys: list[str]
) -> None:
    script = Scripted(*answers)
    routing = RoutingEntry(retries=RetriesEntry(attempts=2, base_seconds=0.001))
    async with (
        ScriptedUpstream(script) as upstream,
        running(providers=vendor(upstream), models=models, routing=routing) as house,
    ):
        asked = chat("m", stream=stream, max_tokens=50)
        status, _, _ = await house.post("/v1/chat/completions", asked, traceparent=PARENT, tracestate="a=1,b=2")
        (record,) = house.journal.records
    assert status == 200
    assert [attempt.why for attempt in record.attempts] == whys
    assert len(script.told) == len(answers)
    assert_hangs_together(record, script.told)
    assert [each["tracestate"] for each in script.told] == ["a=1,b=2"] * len(answers)


async def test_a_realtime_session_is_opened_under_a_span_that_is_kept() -> None:
    studio = Studio()
    async with (
        serve(studio, "127.0.0.1", 0, subprotocols=[REALTIME]) as server,
        house_of(next(iter(server.sockets)).getsockname()[1]) as house,
    ):
        headers = {**BEARER, "traceparent": PARENT, "tracestate": "a=1"}
        async with connect(url(house), additional_headers=headers, subprotocols=[REALTIME]) as client:
            await client.send("close")
            await client.wait_closed()
        await studio.gone.wait()
    (record,) = house.journal.records
    assert_hangs_together(record, studio.headers)
    assert studio.headers[0]["tracestate"] == "a=1"


@pytest.mark.parametrize(
    "parent",
    [
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
async def test_a_parent_that_is_none_begins_a_new_trace_and_its_state_goes_nowhere(parent: str) -> None:
    script = Scripted(WHOLE)
    models = {"m": ModelEntry(deployments=deployments(1))}
    async with ScriptedUpstream(script) as upstream, running(providers=vendor(upstream), models=models) as house:
        await house.post("/v1/chat/completions", chat("m"), traceparent=parent, tracestate="a=1")
        (record,) = house.journal.records
    assert "tracestate" not in script.told[0]
    spans = spans_of(record)
    assert [span.parent_id for span in spans if span.parent_id == ""] == [""]
    assert TRACE not in {span.trace_id for span in spans}


async def test_a_parent_of_a_later_version_goes_on_as_far_as_ours_goes() -> None:
    script = Scripted(WHOLE)
    models = {"m": ModelEntry(deployments=deployments(1))}
    async with ScriptedUpstream(script) as upstream, running(providers=vendor(upstream), models=models) as house:
        await house.post("/v1/chat/completions", chat("m"), traceparent=f"01-{TRACE}-{SPAN}-01-later")
        (record,) = house.journal.records
    assert_hangs_together(record, script.told)


async def test_a_caller_that_does_not_record_is_told_so_to_the_upstream() -> None:
    script = Scripted(WHOLE)
    models = {"m": ModelEntry(deployments=deployments(1))}
    async with ScriptedUpstream(script) as upstream, running(providers=vendor(upstream), models=models) as house:
        await house.post("/v1/chat/completions", chat("m"), traceparent=f"00-{TRACE}-{SPAN}-00")
    assert script.told[0]["traceparent"].endswith("-00")
