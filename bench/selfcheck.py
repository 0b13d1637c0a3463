"""The harness proves itself: known loads on the mock must give known answers, whatever the speed of the machine.

What must hold is a count, or a time that cannot be shorter; nothing has to be quick, so a busy machine changes nothing.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.machine import CorePlan
from bench.payloads import stream_wishes
from bench.programs import LoadResult, Mock, Schedule
from bench.scenarios import await_no_streams, measure_memory
from bench.scripted import ScriptedServer
from bench.stand import Direct, Effort, Stand, UnderTest
from bench.subjects import Minimal
from bench.timeline import ANSWERED, read_log

SHORT = Effort(rounds=1, seconds=0.5, warmup_seconds=0.1, open_streams=40)
CHUNKS = 20
IMPOSSIBLE_RATE = 2_000_000.0
PATIENCE_SECONDS = 20.0


def complaints(plan: CorePlan) -> list[str]:
    """What is wrong with the harness, in sentences; none when all is well."""
    with Mock(plan) as mock, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        stand = Stand(plan, SHORT, mock, Path(folder), Path(folder))
        found = _of_subject(stand, "direct", Direct(mock.port)) + _of_failures(stand) + _of_framing(stand)
        found += _of_leaving(stand) + _of_mock(stand)
        with stand.running(Minimal()) as proxy:
            found += _of_subject(stand, "proxy", proxy)
            found += [] if proxy.cpu_seconds() > 0 else ["the proxy's CPU time was not seen"]
            found += _of_memory(stand, proxy)
    return found


def _of_subject(stand: Stand, name: str, subject: UnderTest) -> list[str]:
    target = subject.target
    full = Schedule(SHORT.seconds, 4, warmup_seconds=0.1, drain_seconds=PATIENCE_SECONDS)
    streams = replace(full, connections=8, rate=40.0, warmup_seconds=0.0, stream=True)
    saturated = stand.load(target, full)
    steady = stand.load(target, replace(full, rate=100.0))
    streamed = stand.load(target, streams, stream_wishes(CHUNKS, interval_us=1000))
    expected = {
        "saturation answers without an error": saturated.completed_total > 0 and not _errors(saturated),
        "an open loop of 100 rps over 0.5 s measures 50 requests": steady.latency_us.count == 50
        and not _errors(steady),
        "an open loop of 40 rps over 0.5 s gives 20 streams": streamed.completed_total == 20 and not _errors(streamed),
        "each stream brings its chunks and one for usage": streamed.chunks_total
        == streamed.completed_total * (CHUNKS + 1),
        "paced chunks take their time": streamed.latency_us.p50 >= (CHUNKS - 1) * 1000,
        "each chunk's lag is read from its stamp": streamed.chunk_lag_us.count == streamed.completed_total * CHUNKS
        and streamed.chunk_lag_us.p50 > 0,
    }
    return [f"{name}: not so: {what}" for what, holds in expected.items() if not holds]


def _of_failures(stand: Stand) -> list[str]:
    target = Direct(stand.mock.port).target
    overloaded = stand.load(target, Schedule(0.2, 4, rate=IMPOSSIBLE_RATE, warmup_seconds=0.0))
    two_streams = Schedule(
        0.2, 2, rate=10.0, warmup_seconds=0.0, stream=True, timeout_ms=50, drain_seconds=PATIENCE_SECONDS
    )
    unended = stand.load(target, two_streams, stream_wishes(CHUNKS, stall_after=1))
    expected = {
        "an impossible rate is not achieved": overloaded.rps < IMPOSSIBLE_RATE * 0.98,
        "a request that waits for its turn pays for the wait": overloaded.latency_us.max > 10_000,
        "a stream that stalls is an error, counted as a timeout": unended.errors["timeout"] == 2,
    }
    return [f"not so: {what}" for what, holds in expected.items() if not holds]


def _of_leaving(stand: Stand) -> list[str]:
    """Clients that hang up after the first chunk leave nothing open, and every request has a line in the log."""
    log = stand.folder / "requests.log"
    schedule = Schedule(
        0.5, 8, rate=40.0, warmup_seconds=0.0, stream=True, drain_seconds=PATIENCE_SECONDS, leave=True, log=log
    )
    left = stand.load(Direct(stand.mock.port).target, schedule, stream_wishes(CHUNKS, stall_after=1))
    answers = read_log(log)
    listed = stand.begin(Direct(stand.mock.port).target, Schedule(0.1, 1, rate=50.0, warmup_seconds=0.0), None).result()
    expected = {
        "20 clients hang up on streams that never end": left.completed_total == 20 and not _errors(left),
        "their streams are closed": await_no_streams(stand) == 0,
        "the log has a line for each": [answer.outcome for answer in answers] == [ANSWERED] * 20,
        "a load without a body asks by GET": listed.completed_total == 5 and not _errors(listed),
    }
    return [f"not so: {what}" for what, holds in expected.items() if not holds]


def _of_mock(stand: Stand) -> list[str]:
    """A mock that was killed comes back where it was, and one that hangs answers when it wakes."""
    with Mock(stand.plan) as mock:
        port = mock.port
        mock.kill()
        refused = stand.load(Direct(port).target, Schedule(0.05, 1, rate=100.0, warmup_seconds=0.0, drain_seconds=0.1))
        mock.start()
        back = mock.port
        mock.hang()
        waiting = stand.begin(
            Direct(port).target,
            Schedule(0.05, 1, rate=20.0, warmup_seconds=0.0, drain_seconds=PATIENCE_SECONDS),
            stand.body(Direct(port).target, Schedule(0.05)),
        )
        time.sleep(0.2)
        mock.wake()
        woken = waiting.result()
    expected = {
        "a dead mock refuses connections": refused.errors["connect"] > 0 and refused.completed_total == 0,
        "it comes back on its port": back == port,
        "a mock that hangs answers late, but answers": woken.completed_total == 1 and woken.latency_us.max > 100_000,
    }
    return [f"not so: {what}" for what, holds in expected.items() if not holds]


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
EVENTS = b"data: {}\n\ndata: [DONE]\n\n"


class Framing(NamedTuple):
    """An answer, byte by byte, and the error it must be counted as; none when it is right."""

    what: str
    answer: bytes
    error: str | None
    stream: bool = False
    then_close: bool = False


FRAMINGS = (
    Framing("a sized body", HEAD + b"Content-Length: 2\r\n\r\n{}", None),
    Framing("a body that the close ends", HEAD + b"\r\n{}", None, then_close=True),
    Framing(
        "an interim answer before the answer",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"content-length:0\r\n\r\n",
        None,
    ),
    Framing("chunks with an extension and a trailer", CHUNKED + b"2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n", None),
    Framing(
        "events across chunks", CHUNKED + b"6\r\ndata: \r\n12\r\n{}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n", None, stream=True
    ),
    Framing("events until the close", HEAD + b"\r\n" + EVENTS, None, stream=True, then_close=True),
    Framing("a stream without its end", CHUNKED + b"a\r\ndata: {}\n\n\r\n0\r\n\r\n", "no_done", stream=True),
    Framing("a body cut short", HEAD + b"content-length: 9\r\n\r\n{}", "short", then_close=True),
    Framing("an error status", b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "non_2xx"),
    Framing("a chunk without its size", CHUNKED + b"zz\r\n{}\r\n", "malformed"),
    Framing("no HTTP at all", b"SSH-2.0-OpenSSH\r\n\r\n", "malformed"),
)


def _of_framing(stand: Stand) -> list[str]:
    """Every way to frame an answer, right or wrong, is read as what it is, however its bytes arrive."""
    found: list[str] = []
    for framing in FRAMINGS:
        with ScriptedServer(framing.answer, then_close=framing.then_close) as server:
            schedule = Schedule(0.05, 1, rate=100.0, warmup_seconds=0.0, stream=framing.stream)
            result = stand.load(Direct(server.port).target, schedule)
        # Only the error asked for, and no answer beside it; or no error at all.
        seen = {kind for kind, count in result.errors.items() if count > 0}
        right = seen == ({framing.error} if framing.error else set()) and (result.completed_total > 0) == (
            not framing.error
        )
        found += [] if right else [f"not so: {framing.what} is {framing.error or 'no error'}: {result}"]
    return found


def _of_memory(stand: Stand, proxy: UnderTest) -> list[str]:
    memory = measure_memory(stand, proxy)
    if memory.opened == SHORT.open_streams and memory.left_open == 0 and memory.rss_open_kb > 0:
        return []
    return [f"not so: {SHORT.open_streams} streams open, then none: {memory}"]


def _errors(result: LoadResult) -> int:
    return result.error_total + result.unfinished
