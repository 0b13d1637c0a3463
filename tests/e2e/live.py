"""A live ``switchgear serve`` in a process of its own, as a user starts it."""

import atexit
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from shutil import copy, rmtree
from tempfile import mkdtemp
from types import TracebackType
from typing import Self
from urllib.request import urlopen

import switchgear
from switchgear.kernel.record import CallRecord
from switchgear.traces.journal_reader import FileOffsets, JournalReader
from tests.conftest import NOBODY

SOURCES = Path(switchgear.__file__).parents[1]
"""The server runs the same sources as the test, from whichever checkout they were imported."""
START_SECONDS = 30.0
DATABASE = Path("switchgear-data") / "control.db"
KEY = "sk-sg-test-0123456789abcdef0123456789"
READING_KEY = f"{KEY}-reading"
"""It sends spans, too, and calls nothing."""

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
state: {{directory: {state}}}
keys:
  - {{name: tester, key: {key}}}
  - {{name: shredder, key: {key}-shredder, doors: [traces_delete]}}
  - {{name: narrow, key: {key}-narrow, models: ["sim/echo"]}}
  - {{name: reader, key: {key}-reading, doors: [traces, traces_read]}}
providers:
  sim: {{kind: simulator}}
routing:  # what an upstream does is what the client sees, as often as it asks
  retries: {{attempts: 1}}
  breaker: {{consecutive_failures: 1000000, minimum_calls: 1000000}}
models:
  echo: {{deployments: [{{model: sim/echo}}]}}
"""


@cache
def migrated_database() -> Path:
    """A control database as ``switchgear database upgrade`` makes it, once for all servers of a test process."""
    folder = Path(mkdtemp(prefix="switchgear-test-"))
    atexit.register(rmtree, folder)
    config = folder / "switchgear.yaml"
    config.write_text("providers: {sim: {kind: simulator}}\n")
    command = [sys.executable, "-m", "switchgear", "database", "upgrade", "--config", str(config)]
    subprocess.run(
        command,
        env={"HOME": str(folder), "PYTHONPATH": str(SOURCES)},
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder / DATABASE


class LiveServer:
    """Started by ``with``; stopped, with everything under it, at the end.

    One with a configuration finds its database migrated, as most starts do; one without makes everything itself.
    """

    def __init__(
        self,
        directory: Path,
        config: str | None = CONFIG,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "switchgear"),
    ) -> None:
        self.journal = directory / "journal"
        self.directory = directory
        self._config_path = directory / "switchgear.yaml"
        if config is not None:
            self.write_config(config)
        self._has_config = config is not None
        self._environ = {
            "HOME": str(directory),
            "PYTHONPATH": str(SOURCES),
            "SSL_CERT_FILE": str(NOBODY),
            **(environ or {}),
        }
        self._program = program
        self.url = ""
        self.banner = ""

    def write_config(self, config: str) -> None:
        """Replace the configuration file as an editor does: whole, by rename."""
        text = config.format(journal=self.journal, state=self.directory / "state", key=KEY)
        fresh = self._config_path.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self._config_path)

    def __enter__(self) -> Self:
        arguments = ["--config", str(self._config_path)] if self._has_config else ["--port", "0"]
        place = self.directory / DATABASE
        if self._has_config and not place.exists():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            copy(migrated_database(), place)
        with (self.directory / "stderr.log").open("ab") as errors:
            self.process = subprocess.Popen(
                [*self._program, "serve", *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environ,
                cwd=self.directory,
                start_new_session=True,
            )
        self._read_banner()
        return self

    def _read_banner(self) -> None:
        assert self.process.stdout is not None
        selector = selectors.DefaultSelector()
        selector.register(self.process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + START_SECONDS
        while "curl" not in self.banner:
            if not selector.select(deadline - time.monotonic()):
                raise AssertionError(f"no banner within {START_SECONDS} s:\n{self.banner}\n{self.errors()}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"serve ended:\n{self.banner}\n{self.errors()}")
            self.banner += piece.decode()
        found = re.search(r"http://[0-9a-z.:\[\]]+", self.banner)
        assert found is not None, self.banner
        self.url = found[0]

    def errors(self) -> str:
        """What the processes wrote to standard error."""
        return (self.directory / "stderr.log").read_text(errors="replace")

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """A plain GET without credentials."""
        with urlopen(self.url + path, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()

    def ready(self) -> Mapping[str, object]:
        """What /readyz says."""
        return json.loads(self.get("/readyz")[2])

    def child_pids(self, word: str) -> list[int]:
        """Processes under the supervisor whose command line holds ``word``."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if int(parent) == self.process.pid and word in line:
                found.append(int(entry.name))
        return sorted(found)

    def gateway_pids(self) -> list[int]:
        """The gateway processes."""
        return self.child_pids("switchgear.processes.gateway")

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def records(server: LiveServer) -> list[CallRecord]:
    """Everything in the journal, read from the start."""
    reader = JournalReader(server.journal, FileOffsets(server.directory / "test-offsets"))
    found: list[CallRecord] = []
    while batch := reader.read_batch():
        found += batch.records
        reader.commit(batch.position)
    return found
