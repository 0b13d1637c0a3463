"""The scenarios: each measures one subject once, and says in one record what it found."""

import subprocess
import sys
import time

import msgspec

from bench.machine import pinned
from bench.open_streams import open_streams
from bench.payloads import stream_wishes
from bench.programs import LoadResult, Schedule
from bench.stand import Stand, UnderTest

PACED_STREAMS_PER_SECOND = 100.0
PACED_CONNECTIONS = 48
QUEUE_US = 100_000
"""The mock answers at once: a median above this is a queue, and a rate that has one does not hold."""
CHUNKS = 60
CHUNK_INTERVAL_US = 5000
"""Chunks far enough apart that none can be coalesced: each costs its own wake-up, as with a real model."""


class Saturation(msgspec.Struct, frozen=True):
    """32 connections that never wait. `cpu_percent` near 100 means that the subject itself was the limit."""

    rps: float
    p50_us: float
    p99_us: float
    cpu_percent: float
    cpu_us_per_request: float
    errors: int
    generator_bound: bool


class RatePoint(msgspec.Struct, frozen=True):
    """One fixed rate. `failed`: answers were missing, wrong, or slower to come than the requests."""

    rate: float
    achieved: float
    p50_us: float
    p99_us: float
    errors: int
    failed: bool
    generator_late: bool


class Streams(msgspec.Struct, frozen=True):
    """Paced streams of 60 chunks and of one, then as many as go through; no CPU per stream where none came through."""

    cpu_us_per_stream: float | None
    cpu_us_per_short_stream: float | None
    cpu_us_per_chunk: float | None
    first_chunk_p50_us: float
    first_chunk_p99_us: float
    chunk_lag_p50_us: float
    chunk_lag_p99_us: float
    streams_per_second: float
    errors: int


class Memory(msgspec.Struct, frozen=True):
    """Streams that stall after one chunk, all open at once; then all clients leave."""

    opened: int
    rss_before_kb: int
    rss_open_kb: int
    rss_after_kb: int
    kb_per_stream: float | None
    left_open: int


def measure_saturation(stand: Stand, subject: UnderTest) -> Saturation:
    effort = stand.effort
    stand.load(subject.target, Schedule(effort.warmup_seconds, warmup_seconds=0.0))
    cpu_before, started = subject.cpu_seconds(), time.perf_counter()
    found = stand.load(subject.target, Schedule(effort.seconds, warmup_seconds=0.0))
    cpu, elapsed = subject.cpu_seconds() - cpu_before, time.perf_counter() - started
    return Saturation(
        rps=found.rps,
        p50_us=found.latency_us.p50,
        p99_us=found.latency_us.p99,
        cpu_percent=100 * cpu / elapsed,
        cpu_us_per_request=1e6 * cpu / max(1, found.completed_total),
        errors=found.error_total,
        generator_bound=found.bottleneck,
    )


def measure_rates(stand: Stand, subject: UnderTest) -> list[RatePoint]:
    """Climb the rates until one fails; the failing one is part of the answer."""
    points: list[RatePoint] = []
    for rate in stand.effort.rates:
        schedule = Schedule(stand.effort.seconds, rate=rate, warmup_seconds=stand.effort.warmup_seconds)
        found = stand.load(subject.target, schedule)
        points.append(_rate_point(rate, found))
        if points[-1].failed:
            break
    return points


def _rate_point(rate: float, found: LoadResult) -> RatePoint:
    return RatePoint(
        rate=rate,
        achieved=found.rps,
        p50_us=found.latency_us.p50,
        p99_us=found.latency_us.p99,
        errors=found.error_total,
        failed=found.error_total > 0
        or found.unfinished > 0
        or found.rps < 0.98 * rate
        or found.latency_us.p50 > QUEUE_US,
        generator_late=found.bottleneck,
    )


def measure_streams(stand: Stand, subject: UnderTest) -> Streams:
    seconds = stand.effort.seconds
    paced = Schedule(seconds, PACED_CONNECTIONS, PACED_STREAMS_PER_SECOND, warmup_seconds=0.0, stream=True)
    flat_out = Schedule(seconds, warmup_seconds=0.0, stream=True)
    stand.load(subject.target, Schedule(0.3, rate=50.0, warmup_seconds=0.0, stream=True), stream_wishes(CHUNKS))
    long_cpu, long = streams_cpu(stand, subject, paced, stream_wishes(CHUNKS, CHUNK_INTERVAL_US))
    short_cpu, short = streams_cpu(stand, subject, paced, stream_wishes(1, CHUNK_INTERVAL_US))
    fast = stand.load(subject.target, flat_out, stream_wishes(CHUNKS))
    return Streams(
        cpu_us_per_stream=long_cpu,
        cpu_us_per_short_stream=short_cpu,
        cpu_us_per_chunk=None if long_cpu is None or short_cpu is None else (long_cpu - short_cpu) / (CHUNKS - 1),
        first_chunk_p50_us=long.first_chunk_us.p50,
        first_chunk_p99_us=long.first_chunk_us.p99,
        chunk_lag_p50_us=long.chunk_lag_us.p50,
        chunk_lag_p99_us=long.chunk_lag_us.p99,
        streams_per_second=fast.rps,
        errors=sum(found.error_total + found.unfinished for found in (long, short, fast)),
    )


def streams_cpu(stand: Stand, subject: UnderTest, schedule: Schedule, wishes: str) -> tuple[float | None, LoadResult]:
    """Microseconds of the subject's CPU for each stream, over the whole run: the generator waits for the last one."""
    before = subject.cpu_seconds()
    found = stand.load(subject.target, schedule, wishes)
    cpu = subject.cpu_seconds() - before
    return (1e6 * cpu / found.completed_total if found.completed_total else None), found


def measure_memory(stand: Stand, subject: UnderTest) -> Memory:
    count = stand.effort.open_streams
    stalled = stream_wishes(CHUNKS, stall_after=1)
    with open_streams(subject.target, 50, stalled):
        pass  # what is loaded and allocated once is not the price of a stream
    await_no_streams(stand)
    before = subject.resident_kb()
    with open_streams(subject.target, count, stalled) as opened:
        still_open = stand.mock.stats().open_streams
        rss_open = subject.resident_kb()
    left_open = await_no_streams(stand)
    return Memory(
        opened=min(opened, still_open),
        rss_before_kb=before,
        rss_open_kb=rss_open,
        rss_after_kb=subject.resident_kb(),
        kb_per_stream=(rss_open - before) / opened if opened else None,
        left_open=left_open,
    )


def await_no_streams(stand: Stand, seconds: float = 5.0) -> int:
    """How many upstream streams still stand after this time, though no client is left; 0 as soon as there are none."""
    deadline = time.perf_counter() + seconds
    left_open = stand.mock.stats().open_streams
    while left_open > 0 and time.perf_counter() < deadline:
        time.sleep(0.05)
        left_open = stand.mock.stats().open_streams
    return left_open


IMPORT_PROBE = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def measure_import(stand: Stand, module: str) -> float | None:
    """Seconds to import a module in a fresh interpreter: the best of five, the disk being warm. None when it fails."""
    command = pinned([sys.executable, "-c", IMPORT_PROBE.format(module=module)], stand.plan.subject)
    answers = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(5)]
    return min((float(answer.stdout) for answer in answers if answer.returncode == 0), default=None)
