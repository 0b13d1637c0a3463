"""`python -m bench.translation`: what it costs to answer an OpenAI client from an Anthropic upstream.

Two ways: the dialects' own work in this process, function by function, on what the mock says; and the gateway's CPU,
per request and per chunk, for the same load on an alias of each kind. Each is set against a relay of the same dialect.
nginx's CPU per request stands beside it, because a microsecond is not the same on every machine.
"""

import http.client
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from msgspec import structs

from bench.command import run_command, say
from bench.payloads import chat_body, stream_wishes
from bench.programs import Schedule
from bench.report import Bar, number, table
from bench.scenarios import (
    CHUNK_INTERVAL_US,
    CHUNKS,
    PACED_CONNECTIONS,
    PACED_STREAMS_PER_SECOND,
    measure_saturation,
    streams_cpu,
)
from bench.stand import Effort, Stand
from bench.subjects import CHAT_PATH, Nginx, Running, Switchgear
from switchgear.kernel.chat import Start, Usage
from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.routing.frames import Converter, Relaying, Translating
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.openai_chat import OpenAIChat

CALL_US = 60.0
CHUNK_US = 12.0
NGINX_US = 14.0
"""nginx's CPU per request where the bars were set: between 11 and 17 microseconds."""
TIMES = 2000
REPEATS = 7
MESSAGES_PATH = "/v1/messages"
PLAIN, TRANSLATED = "bench", "translated"
UPSTREAMS = """\
providers:
  mock: {kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}
  other: {kind: anthropic, base_url: "http://127.0.0.1:$mock_port", api_key: dummy}
models:
  bench: {deployments: [{model: mock/gpt-bench}]}
  translated: {deployments: [{model: other/claude-bench}]}
"""


class Alias:
    """One alias of a running gateway, as a scenario sees it."""

    def __init__(self, running: Running, model: str) -> None:
        self.target = replace(running.target, model=model)
        self.cpu_seconds = running.cpu_seconds
        self.resident_kb = running.resident_kb


@dataclass(frozen=True)
class Cost:
    """Microseconds of the gateway's CPU."""

    call: float
    chunk: float


class Quiet:
    """Tells a translation nothing that its upstream did not."""

    def estimate(self, tally: Tally) -> Usage:
        return Usage()

    def named(self, said: Start) -> Start:
        return said


def microseconds(act: Callable[[], object], times: int = TIMES) -> float:
    """CPU of one call: the best of some repeats, as everything else only adds."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.thread_time_ns()
        for _ in range(times):
            act()
        best = min(best, (time.thread_time_ns() - began) / times / 1e3)
    return best


def said_by(mock_port: int, path: str, body: bytes) -> bytes:
    """The whole body of the mock's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", mock_port, timeout=10)
    try:
        connection.request("POST", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def call_parts(mock_port: int, times: int) -> dict[str, tuple[float, float]]:
    """The work on a whole call, by function: translated, and relayed."""
    openai, anthropic = OpenAIChat(), Anthropic()
    body = chat_body(PLAIN)
    chat = openai.read_request(body)
    ours, theirs = said_by(mock_port, CHAT_PATH, body), said_by(mock_port, MESSAGES_PATH, body)
    completion = anthropic.read_reply(theirs)
    return {
        "prepare": (0.0, microseconds(lambda: openai.prepare(body, "gpt-bench", stream=False), times)),
        "read_request": (microseconds(lambda: openai.read_request(body), times), 0.0),
        "write_request": (
            microseconds(lambda: anthropic.write_request(structs.replace(chat, model="claude-bench")), times),
            0.0,
        ),
        "glance": (
            microseconds(lambda: anthropic.glance(theirs), times),
            microseconds(lambda: openai.glance(ours), times),
        ),
        "read_reply": (microseconds(lambda: anthropic.read_reply(theirs), times), 0.0),
        "write_reply": (microseconds(lambda: openai.write_reply(completion, chat), times), 0.0),
    }


def chunk_parts(mock_port: int, times: int) -> tuple[float, float]:
    """The work on one chunk in the middle of a stream: translated, and relayed."""
    openai, anthropic = OpenAIChat(), Anthropic()
    body = chat_body(PLAIN, stream_wishes(CHUNKS), stream=True)
    options = StreamOptions(include_usage=True)
    relaying = Relaying(openai, openai.relay(options), b"")
    translating = Translating(anthropic.events(), openai.writer(options), Quiet(), b"")
    return (
        _chunk_us(translating, said_by(mock_port, MESSAGES_PATH, body), times),
        _chunk_us(relaying, said_by(mock_port, CHAT_PATH, body), times),
    )


def _chunk_us(converter: Converter, stream: bytes, times: int) -> float:
    frames = [frame + b"\n\n" for frame in stream.split(b"\n\n")]
    for frame in frames[: CHUNKS // 2]:
        converter.convert(frame)
    middle = frames[CHUNKS // 2 : CHUNKS // 2 + 10]

    def convert() -> None:
        for frame in middle:
            converter.convert(frame)

    return microseconds(convert, times // len(middle)) / len(middle)


def gateway_costs(stand: Stand, rounds: int) -> dict[str, Cost]:
    """The gateway's CPU for each alias: the best of interleaved rounds, as whatever else goes on only adds."""
    found: dict[str, list[Cost]] = {PLAIN: [], TRANSLATED: []}
    with stand.running(Switchgear(upstreams=UPSTREAMS)) as running:
        for _ in range(rounds):
            for model, costs in found.items():
                costs.append(_cost(stand, Alias(running, model)))
    return {
        model: Cost(min(cost.call for cost in costs), min(cost.chunk for cost in costs))
        for model, costs in found.items()
    }


def _cost(stand: Stand, alias: Alias) -> Cost:
    call = measure_saturation(stand, alias).cpu_us_per_request
    paced = Schedule(stand.effort.seconds, PACED_CONNECTIONS, PACED_STREAMS_PER_SECOND, warmup_seconds=0.0, stream=True)
    long, _ = streams_cpu(stand, alias, paced, stream_wishes(CHUNKS, CHUNK_INTERVAL_US))
    short, _ = streams_cpu(stand, alias, paced, stream_wishes(1, CHUNK_INTERVAL_US))
    return Cost(call, ((long or 0.0) - (short or 0.0)) / (CHUNKS - 1))


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """The dialects alone, then the gateway, then nginx."""
    os.sched_setaffinity(0, stand.plan.subject)
    times = TIMES // 10 if quick else TIMES
    parts, chunk = call_parts(stand.mock.port, times), chunk_parts(stand.mock.port, times)
    os.sched_setaffinity(0, {*stand.plan.subject, *stand.plan.generator, *stand.plan.mock})
    stand = replace(stand, effort=Effort(seconds=1.0 if quick else 2.0, warmup_seconds=0.5))
    with stand.running(Nginx()) as running:
        nginx = measure_saturation(stand, running).cpu_us_per_request
    costs = gateway_costs(stand, 1 if quick else 5)
    alone = Cost(sum(more - less for more, less in parts.values()), chunk[0] - chunk[1])
    through = Cost(
        costs[TRANSLATED].call - costs[PLAIN].call,
        costs[TRANSLATED].chunk - costs[PLAIN].chunk,
    )
    say(_parts_table(parts, chunk))
    say(_gateway_table(costs, nginx))
    scale = NGINX_US / nginx
    return [
        Bar("us more for a call, the dialects alone", CALL_US, alone.call),
        Bar("us more for a chunk, the dialects alone", CHUNK_US, alone.chunk),
        Bar("us more for a call, through the gateway", CALL_US, through.call),
        Bar("us more for a chunk, through the gateway", CHUNK_US, through.chunk),
        Bar(f"the same call, were nginx at {NGINX_US:g} us", CALL_US, through.call * scale),
        Bar(f"the same chunk, were nginx at {NGINX_US:g} us", CHUNK_US, through.chunk * scale),
    ]


def _parts_table(parts: dict[str, tuple[float, float]], chunk: tuple[float, float]) -> str:
    both = {
        **parts,
        "a whole call": (sum(more for more, _ in parts.values()), sum(less for _, less in parts.values())),
        "a chunk": chunk,
    }
    rows = [[name, number(more, 1), number(less, 1), number(more - less, 1)] for name, (more, less) in both.items()]
    return table("The dialects' own work, us of CPU", ["what", "translated", "relayed", "more"], rows)


def _gateway_table(costs: dict[str, Cost], nginx: float) -> str:
    rows = [["nginx, relaying", number(nginx, 1), "-"]]
    rows += [[f"alias {model!r}", number(cost.call, 1), number(cost.chunk, 1)] for model, cost in costs.items()]
    return table("CPU through the gateway, us", ["what", "a call", "a chunk"], rows)


if __name__ == "__main__":
    sys.exit(run_command("translation", "What answering OpenAI from Anthropic costs more than a relay.", measure))
