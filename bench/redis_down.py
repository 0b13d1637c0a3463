"""`python -m bench.redis_down`: the Redis that counts for a gateway stands still under load, and goes on; who waits?

A server of the bench's own counts what 500 calls a second reserve and settle, over six limits each, as a gateway does
it: on the gateway's loop, through its counters. Then the server is stopped (it takes connections and commands, and says
nothing), and later it goes on. Each call is due at a fixed moment, whatever became of those before.
"""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench.command import run_command, say
from bench.machine import free_port
from bench.report import Bar, Row, number, table
from bench.stand import Stand
from bench.subjects import Unavailable
from bench.timeline import percentile
from switchgear.engines.patient_counters import PatientCounters
from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Claim

RATE = 500
TIMEOUT_SECONDS = 0.075
ADDED_MS = 5.0
MOST_WAITING = 5
PREFIX = "bench"
WINDOWS = ("key requests", "key tokens", "team requests", "team tokens", "project money")
CLAIMS = (
    *(
        Claim(counter=name, amount=1, limit=10**9, window="w", previous="v", previous_parts=500_000, keep_seconds=3600)
        for name in WINDOWS
    ),
    Claim(counter="key calls at once", amount=1, limit=10**6),
)


@dataclass(frozen=True)
class Course:
    """When what happens, in seconds after the first call."""

    strike: float = 4.0
    heal: float = 9.0
    end: float = 14.0


@dataclass
class Outcome:
    """What was seen; moments in seconds after the first call."""

    took_ms: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When a call was due, and how long it waited for its reservation."""
    refused: int = 0
    gave_up_at: float = 0.0
    asked_again_at: float = 0.0
    counted: int = 0

    def between(self, start: float, end: float) -> list[float]:
        return [took for due, took in self.took_ms if start <= due < end]


class Server:
    """Redis on a port of its own, keeping nothing."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    def stand_still(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def server(folder: Path) -> Generator[Server]:
    """Raises Unavailable without a server to start."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise Unavailable("there is no redis-server and no valkey-server here")
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while line := process.stdout.readline():
            if b"Ready to accept connections" in line:
                break
        try:
            yield Server(process, port)
        finally:
            process.kill()


class Trial:
    """One course of events."""

    def __init__(self, server: Server, course: Course) -> None:
        self._server = server
        self._course = course
        self._found = Outcome()
        self._began = 0.0

    async def run(self) -> Outcome:
        address = read_address(f"redis://127.0.0.1:{self._server.port}")
        shared = RedisCounters(RedisClient(address, TIMEOUT_SECONDS), PREFIX)
        counters = PatientCounters(shared, "g0", SystemClock(), seeded_bits())
        await counters.start()
        loop = asyncio.get_running_loop()
        touch = loop.create_task(counters.run())
        self._began = time.perf_counter()
        watch = loop.create_task(self._watch(counters))
        async with asyncio.TaskGroup() as calls:
            for due in range(int(self._course.end * RATE)):
                await asyncio.sleep(self._began + due / RATE - time.perf_counter())
                calls.create_task(self._call(counters, due / RATE))
        await watch
        await counters.settled()
        while True:
            if not counters.owed:
                break
            await asyncio.sleep(0.05)
        self._found.counted = (await shared.standings(CLAIMS[:1]))[0].used
        touch.cancel()
        with suppress(asyncio.CancelledError):
            await touch
        await counters.aclose()
        return self._found

    async def _call(self, counters: PatientCounters, due: float) -> None:
        name = f"{due:.4f}"
        standings = await counters.reserve(name, CLAIMS, 60.0)
        self._found.took_ms.append((due, (time.perf_counter() - self._began - due) * 1e3))
        if not all(each.fits for each in standings):
            self._found.refused += 1
            return
        await counters.settle(name, CLAIMS, (1,) * len(CLAIMS))

    async def _watch(self, counters: PatientCounters) -> None:
        await self._until(self._course.strike)
        self._server.stand_still()
        self._found.gave_up_at = await self._seen(counters, reachable=False)
        await self._until(self._course.heal)
        self._server.go_on()
        self._found.asked_again_at = await self._seen(counters, reachable=True)

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(self._began + moment - time.perf_counter())

    async def _seen(self, counters: PatientCounters, *, reachable: bool) -> float:
        while True:
            if counters.reachable == reachable:
                return time.perf_counter() - self._began
            await asyncio.sleep(0.001)


def course_table(found: Outcome, course: Course) -> str:
    """The calls second by second."""
    rows: list[Row] = []
    for second in range(int(course.end)):
        took = found.between(second, second + 1)
        waited = sum(each >= TIMEOUT_SECONDS * 800 for each in took)
        cells = [number(percentile(took, fraction), 2) for fraction in (0.5, 0.99, 1.0)]
        rows.append([f"{second}", number(len(took)), *cells, number(waited)])
    title = (
        f"stopped at {course.strike:.1f} s, given up {(found.gave_up_at - course.strike) * 1e3:.0f} ms later; "
        f"went on at {course.heal:.1f} s, asked again {(found.asked_again_at - course.heal) * 1e3:.0f} ms later"
    )
    return table(title, ["second", "calls", "p50 ms", "p99", "max", "waited for the timeout"], rows)


def bars(found: Outcome, course: Course) -> list[Bar]:
    before = percentile(found.between(0.5, course.strike), 0.99)
    waited = sum(took >= TIMEOUT_SECONDS * 800 for took in found.between(course.strike - 0.5, course.end))
    open_p99 = percentile(found.between(found.gave_up_at, course.heal), 0.99)
    return [
        Bar("calls that waited for the timeout", MOST_WAITING, waited),
        Bar("p99 ms added once it was given up", ADDED_MS, open_p99 - before),
        Bar("calls refused", 0, found.refused),
        Bar("calls that the server has not counted once", 0, abs(len(found.took_ms) - found.counted)),
    ]


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """One course, on the loop that gateways use."""
    course = Course(strike=1.0, heal=2.0, end=3.0) if quick else Course()
    with server(stand.folder) as running:
        found = uvloop.run(Trial(running, course).run())
    say(course_table(found, course))
    return bars(found, course)


if __name__ == "__main__":
    sys.exit(run_command("redis_down", "The Redis that counts stands still under load, and goes on.", measure))
