"""The two C programs: compiled when their sources changed, started, and read."""

import http.client
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from bench.machine import CorePlan, pinned

HERE = Path(__file__).parent
BUILD = HERE / "build"
SOURCES = {
    "load": ("load.c", "load_loop.c", "response.c", "samples.c"),
    "mock": ("mock.c", "mock_wire.c"),
}


class Percentiles(msgspec.Struct, frozen=True):
    """Durations in microseconds."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class LoadResult(msgspec.Struct, frozen=True):
    """What one run of the load generator found. The counts cover the measured window, `*_total` the whole run."""

    mode: str
    rate: float
    connections: int
    seconds: float
    requests: int
    completed_total: int
    unfinished: int
    rps: float
    error_total: int
    errors: dict[str, int]
    latency_us: Percentiles
    first_chunk_us: Percentiles
    chunk_lag_us: Percentiles
    chunks_total: int
    waited_for_connection: int
    late_sends: int
    late_max_us: float
    own_cpu_percent: float
    bottleneck: bool


class MockStats(msgspec.Struct, frozen=True):
    """What the mock upstream has seen."""

    requests: int
    open_streams: int


@dataclass(frozen=True)
class Target:
    """Where the load goes: a port on loopback, a path, and the headers and model name the subject wants."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    model: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Schedule:
    """How the load comes. `rate` is an open loop in requests per second; none is saturation."""

    seconds: float
    connections: int = 32
    rate: float | None = None
    warmup_seconds: float = 0.5
    stream: bool = False
    timeout_ms: int = 10_000
    drain_seconds: float = 2.0
    """How long answers that are still out are waited for after the end."""
    leave: bool = False
    """Every client of a stream hangs up after the first chunk."""
    log: Path | None = None
    """Where a line for each request goes; `bench.timeline` reads it."""


def compile_programs() -> None:
    """Build `load` and `mock` with the system's C compiler, where a source is newer than what it made."""
    BUILD.mkdir(exist_ok=True)
    headers = list(HERE.glob("*.h"))
    for name, sources in SOURCES.items():
        program = BUILD / name
        paths = [HERE / source for source in sources]
        if program.exists() and program.stat().st_mtime > max(path.stat().st_mtime for path in [*paths, *headers]):
            continue
        # Made under a name of its own first: two runs that start together must not execute half a file.
        fresh = BUILD / f"{name}.{os.getpid()}"
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["cc", *flags, "-o", str(fresh), *map(str, paths)], check=True)
        fresh.replace(program)


class LoadGenerator:
    """Runs the load generator on its own core, to its end or beside others."""

    def __init__(self, plan: CorePlan) -> None:
        self._plan = plan

    def start(self, target: Target, body: Path | None, schedule: Schedule) -> "RunningLoad":
        """Begin to put one load on one target; without a body it asks by GET."""
        return RunningLoad(pinned(_words(target, body, schedule), self._plan.generator))


def _words(target: Target, body: Path | None, schedule: Schedule) -> list[str]:
    words = [str(BUILD / "load"), "--port", str(target.port), "--path", target.path]
    words += ["--method", "GET"] if body is None else ["--body", str(body)]
    words += ["--connections", str(schedule.connections), "--seconds", str(schedule.seconds)]
    words += ["--warmup", str(schedule.warmup_seconds), "--timeout-ms", str(schedule.timeout_ms)]
    words += ["--drain", str(schedule.drain_seconds)]
    words += ["--saturate"] if schedule.rate is None else ["--rate", str(schedule.rate)]
    words += ["--stream"] if schedule.stream else []
    words += ["--leave"] if schedule.leave else []
    words += ["--log", str(schedule.log)] if schedule.log is not None else []
    for name, value in target.headers:
        words += ["--header", f"{name}: {value}"]
    return words


class RunningLoad:
    """A load that is under way."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def result(self) -> LoadResult:
        """Wait for the end. Raises CalledProcessError when the generator itself failed."""
        answer, _ = self._process.communicate()
        if self._process.returncode:
            raise subprocess.CalledProcessError(self._process.returncode, self._process.args)
        return msgspec.json.decode(answer, type=LoadResult)


class Mock:
    """The mock upstream, running for as long as the `with` block; it may die and come back, or hang."""

    def __init__(self, plan: CorePlan) -> None:
        self._plan = plan
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def start(self) -> None:
        """Listen: on any port the first time, on the same one when it comes back."""
        words = [str(BUILD / "mock"), "--port", str(self.port)]
        self._process = subprocess.Popen(pinned(words, self._plan.mock), stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Die at once: connections are cut, new ones refused."""
        self._process.kill()
        self._process.communicate()

    def hang(self) -> None:
        """Stand still: the kernel takes connections and requests, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Go on after :meth:`hang`."""
        self._process.send_signal(signal.SIGCONT)

    def stats(self) -> MockStats:
        """What it has seen since it was started. Raises OSError when it does not answer within two seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/mock/stats")
            return msgspec.json.decode(connection.getresponse().read(), type=MockStats)
        finally:
            connection.close()
