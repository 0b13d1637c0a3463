"""The two C programs: compiled when their sources changed, started, and read."""

import http.client
import os
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
    "mock": ("mock.c",),
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
    """Runs the load generator on its own core."""

    def __init__(self, plan: CorePlan) -> None:
        self._plan = plan

    def run(self, target: Target, body: Path, schedule: Schedule) -> LoadResult:
        """Put one load on one target. Raises CalledProcessError when the generator itself fails."""
        words = [str(BUILD / "load"), "--port", str(target.port), "--path", target.path, "--body", str(body)]
        words += ["--connections", str(schedule.connections), "--seconds", str(schedule.seconds)]
        words += ["--warmup", str(schedule.warmup_seconds), "--timeout-ms", str(schedule.timeout_ms)]
        words += ["--drain", str(schedule.drain_seconds)]
        words += ["--saturate"] if schedule.rate is None else ["--rate", str(schedule.rate)]
        words += ["--stream"] if schedule.stream else []
        for name, value in target.headers:
            words += ["--header", f"{name}: {value}"]
        answer = subprocess.run(pinned(words, self._plan.generator), stdout=subprocess.PIPE, check=True)
        return msgspec.json.decode(answer.stdout, type=LoadResult)


class Mock:
    """The mock upstream, running for as long as the `with` block."""

    def __init__(self, plan: CorePlan) -> None:
        self._plan = plan
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(pinned([str(BUILD / "mock")], self._plan.mock), stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def stats(self) -> MockStats:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/mock/stats")
            return msgspec.json.decode(connection.getresponse().read(), type=MockStats)
        finally:
            connection.close()
