"""Servers that take spans over OTLP and keep them in SQLite: our own, Phoenix, MLflow, each with its defaults.

What a question would find is what has been committed to the file; that is read here, so that asking costs the server
no CPU.
"""

import contextlib
import http.client
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final

from bench.machine import command_line, cpu_time, family, free_port, move_to, pinned, plan_cores
from bench.peers.install import python_environment
from bench.subjects import BENCH_KEY, Unavailable

CONTROL: Final = "switchgear.processes.control"
GATEWAY: Final = "switchgear.processes.gateway"
START_SECONDS: Final = 180.0
_CONFIG: Final = Template("""\
server: {host: 127.0.0.1, port: $port}
keys: [{name: bench, key: $key}]
providers: {sim: {kind: simulator}}
traces: {path: "$store", keep_days: 36500}
""")


@dataclass(frozen=True)
class Plan:
    """How one is started, and where its spans lie."""

    name: str
    command: list[str]
    database: Path
    ready: str
    """A path that is answered with 200 when it is up."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class SpanServer:
    """A plan under way."""

    def __init__(self, plan: Plan, folder: Path, port: int) -> None:
        self.plan = plan
        self.port = port
        self.start_seconds = 0.0
        self._log = folder / "output.log"
        self._folder = folder
        self._cores = cores = plan_cores()
        words = ["env", *(f"{name}={value}" for name, value in plan.variables.items()), *plan.command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                pinned(words, cores.subject),
                cwd=folder,
                stdout=log,
                stderr=log,
            )

    def await_ready(self) -> float:
        """Seconds until it answered. Raises Unavailable."""
        began = time.perf_counter()
        while time.perf_counter() - began < START_SECONDS:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get(self.plan.ready)[0] == 200:
                    self._clear_the_core()
                    return time.perf_counter() - began
            time.sleep(0.02)
        raise Unavailable(f"{self.plan.name} does not answer: {self._log.read_text(errors='replace')[-600:]}")

    def _clear_the_core(self) -> None:
        """What of our own only hands requests on goes to the senders' core."""
        for pid in self.pids(GATEWAY):
            move_to(pid, self._cores.generator)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises OSError, HTTPException."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def pids(self, word: str = "") -> list[int]:
        """All its processes, or those whose command has the word."""
        return [pid for pid in family(self._process.pid) if word in command_line(pid)]

    def cpu_seconds(self, word: str = "") -> float:
        return sum(cpu_time(self.pids(word)))

    def kill_control(self) -> None:
        """`kill -9` of our own control process."""
        for pid in self.pids(CONTROL):
            os.kill(pid, signal.SIGKILL)

    def kept(self) -> int:
        """Spans that are committed."""
        return len(self.span_ids())

    def span_ids(self) -> set[str]:
        """Of all committed spans."""
        with closing(sqlite3.connect(f"file:{self.plan.database}?mode=ro", uri=True, timeout=30)) as connection:
            found: list[tuple[str]] = connection.execute("SELECT span_id FROM spans").fetchall()
        return {span_id for (span_id,) in found}

    def stop(self) -> None:
        """Ask, then insist."""
        members = family(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in members[1:]:
            if command_line(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def serving(name: str, folder: Path, held: Path) -> Generator[SpanServer]:
    """One of them in a folder of its own, ready. Raises Unavailable.

    ``held`` is the folder of a peer's installation, and the file of our own store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = SpanServer(PLANS[name](folder, port, held), folder, port)
    try:
        server.start_seconds = server.await_ready()
        yield server
    finally:
        server.stop()


def _switchgear(folder: Path, port: int, store: Path) -> Plan:
    config = folder / "switchgear.yaml"
    config.write_text(_CONFIG.substitute(port=port, key=BENCH_KEY, store=store))
    return Plan(
        name="switchgear",
        command=[sys.executable, "-m", "switchgear", "serve", "--config", str(config)],
        database=store,
        ready="/api/v1/traces?limit=1",
        headers={"authorization": f"Bearer {BENCH_KEY}"},
    )


def _phoenix(folder: Path, port: int, cache: Path) -> Plan:
    python = python_environment(cache / "phoenix", "arize-phoenix==20.26.1")
    return Plan(
        name="phoenix",
        command=[str(python.with_name("phoenix")), "serve"],
        database=folder / "phoenix.db",
        ready="/healthz",
        variables={
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
    )


def _mlflow(folder: Path, port: int, cache: Path) -> Plan:
    python = python_environment(cache / "mlflow", "mlflow==3.17.2")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    return Plan(
        name="mlflow",
        command=[
            *(str(python), "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port)),
            # Its workers do not answer while they load for their first request; where the machine has other work, they
            # would be replaced in the middle of it.
            *("--uvicorn-opts", "--timeout-worker-healthcheck 120"),
        ],
        database=folder / "mlflow.db",
        ready="/health",
        headers={"x-mlflow-experiment-id": "0"},
        variables={"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    )


PLANS: Final = {"switchgear": _switchgear, "phoenix": _phoenix, "mlflow": _mlflow}
