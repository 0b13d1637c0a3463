"""`python -m bench.redis_down`: the Redis that counts for the gateway stands still under load, and goes on; who waits?

The gateway counts six limits for each of 500 calls a second in a server of the bench's own. The server is stopped (it
takes connections and commands, and says nothing), and later it goes on. In the end it must have counted each call once.
"""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.command import run_command, say
from bench.machine import free_port
from bench.programs import LoadResult, Schedule
from bench.report import Bar, Row, number, table
from bench.stand import Stand
from bench.subjects import Switchgear, Unavailable
from bench.timeline import ANSWERED, Answer, between, p99_ms, percentile, read_log
from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.kernel.ports import Claim
from switchgear.limits.model import window_at

RATE = 500.0
CONNECTIONS = 64
TIMEOUT_MS = 75
WAITED_MS = 0.8 * TIMEOUT_MS
ADDED_MS = 5.0
MOST_WAITING = 5
GIVEN_UP_SECONDS = 0.2
"""After the blow, at the latest: the timeout, and the time it takes to see to it."""
SETTLED_SECONDS = 3.0
SECOND_NS = 1_000_000_000
CONFIG = """\
providers: {{mock: {{kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}}}}
models: {{bench: {{deployments: [{{model: mock/gpt-bench}}]}}}}
counters: {{engine: redis, url: "redis://127.0.0.1:{port}", timeout_ms: {timeout_ms}}}
limits:
  minute: {{scope: {{key: "*"}}, per: minute, requests: 1000000000, tokens: 1000000000000}}
  month: {{scope: {{key: "*"}}, per: month, requests: 1000000000, output_tokens: 1000000000000}}
  model: {{scope: {{model: "*"}}, per: hour, requests: 1000000000}}
  at_once: {{scope: {{key: "*"}}, concurrent: 1000000}}
"""
COUNTER = "month requests key=bench"


@dataclass(frozen=True)
class Course:
    """When what happens, in seconds after the first request."""

    strike: float = 4.0
    heal: float = 9.0
    end: float = 14.0


@dataclass(frozen=True)
class Outcome:
    """What was seen; moments on the monotonic clock."""

    load: LoadResult
    answers: list[Answer]
    began_ns: int
    struck_ns: int
    healed_ns: int
    sent: int
    counted: int

    @property
    def waited(self) -> int:
        """Calls that waited for the server to the end, from a moment before the blow."""
        after = between(self.answers, self.struck_ns - SECOND_NS // 2, self.answers[-1].due_ns + 1)
        return sum(answer.took_us >= WAITED_MS * 1e3 for answer in after)

    @property
    def added_ms(self) -> float:
        """The 99th percentile once the server was given up, less that of the time before."""
        before = between(self.answers, (self.began_ns + self.struck_ns) // 2, self.struck_ns)
        without = between(self.answers, self.struck_ns + int(GIVEN_UP_SECONDS * SECOND_NS), self.healed_ns)
        return p99_ms(without) - p99_ms(before)


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


async def count_in(redis: Server) -> int:
    """How many calls the server knows of, this month."""
    client = RedisClient(read_address(f"redis://127.0.0.1:{redis.port}"), timeout_seconds=5)
    await client.open()
    window = window_at("month", time.time_ns(), sliding=False)  # noqa: TID251 (the bench is no product)
    claim = Claim(counter=COUNTER, amount=0, limit=1, window=window.name)
    found = (await RedisCounters(client, "switchgear").standings((claim,)))[0].used
    await client.aclose()
    return found


def run_course(stand: Stand, redis: Server, course: Course) -> Outcome:
    """Stop the server under load, have it go on, and count."""
    subject = Switchgear(upstreams=CONFIG.format(port=redis.port, timeout_ms=TIMEOUT_MS))
    log = stand.folder / "redis_down.log"
    before = stand.mock.stats().requests
    with stand.running(subject) as running:
        stand.load(running.target, Schedule(0.5, CONNECTIONS, RATE, warmup_seconds=0.0))
        schedule = Schedule(course.end, CONNECTIONS, RATE, warmup_seconds=0.0, log=log)
        load = stand.begin(running.target, schedule, stand.body(running.target, schedule))
        began = time.monotonic_ns()
        _sleep_until(began, course.strike)
        struck = time.monotonic_ns()
        redis.stand_still()
        _sleep_until(began, course.heal)
        redis.go_on()
        healed = time.monotonic_ns()
        found = load.result()
        time.sleep(SETTLED_SECONDS)
        counted = asyncio.run(count_in(redis))
    sent = stand.mock.stats().requests - before
    return Outcome(found, read_log(log), began, struck, healed, sent, counted)


def _sleep_until(began_ns: int, seconds: float) -> None:
    time.sleep(max(0.0, seconds - (time.monotonic_ns() - began_ns) / 1e9))


def course_table(outcome: Outcome, course: Course) -> str:
    """The load second by second."""
    rows: list[Row] = []
    for second in range(int(course.end)):
        start = outcome.began_ns + second * SECOND_NS
        found = between(outcome.answers, start, start + SECOND_NS)
        took = [answer.took_us / 1e3 for answer in found]
        failed = sum(answer.outcome != ANSWERED for answer in found)
        waited = sum(each >= WAITED_MS for each in took)
        cells = [number(percentile(took, fraction), 1) for fraction in (0.5, 0.99, 1.0)]
        rows.append([f"{second}", number(len(found)), number(failed), *cells, number(waited)])
    title = f"stopped at {course.strike:.1f} s, went on at {course.heal:.1f} s"
    return table(title, ["second", "due", "errors", "p50 ms", "p99", "max", "waited for the timeout"], rows)


def bars(outcome: Outcome) -> list[Bar]:
    return [
        Bar("client errors", 0, outcome.load.error_total + outcome.load.unfinished),
        Bar("calls that waited for the timeout", MOST_WAITING, outcome.waited),
        Bar("p99 ms added once it was given up", ADDED_MS, outcome.added_ms),
        Bar("calls that the server has not counted once", 0, abs(outcome.sent - outcome.counted)),
    ]


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """One course."""
    course = Course(strike=1.0, heal=2.0, end=3.0) if quick else Course()
    with server(stand.folder) as redis:
        outcome = run_course(stand, redis, course)
    say(course_table(outcome, course))
    return bars(outcome)


if __name__ == "__main__":
    sys.exit(run_command("redis_down", "The Redis that counts stands still under load, and goes on.", measure))
