"""What can be measured: a subject knows how it is started; a running subject knows where it is and what it costs."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Protocol

from bench.machine import CorePlan, command_line, cpu_time, family, move_to, pinned, resident_kb, step_back
from bench.payloads import chat_body
from bench.programs import HERE, Target

CHAT_PATH = "/v1/chat/completions"
BENCH_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
ANSWER_MARK = b"A switchgear is"


class Unavailable(Exception):
    """This subject cannot be measured here; the message says why and what would help."""


@dataclass(frozen=True)
class Site:
    """Where a subject is to live: an empty folder, its port, the upstream's port, and a cache that outlives the run."""

    folder: Path
    port: int
    mock_port: int
    cache: Path


def everything(root: int) -> list[int]:
    """Every process of the subject counts."""
    return family(root)


@dataclass(frozen=True)
class Launch:
    """How to start a subject and how to talk to it."""

    command: list[str]
    path: str = CHAT_PATH
    headers: tuple[tuple[str, str], ...] = ()
    model: str = "gpt-bench"
    variables: dict[str, str] = field(default_factory=dict[str, str])
    start_seconds: float = 60.0
    port_file: Path | None = None
    """Where a subject that picks a port of its own writes it."""
    measured: Callable[[int], list[int]] = everything


class Subject(Protocol):
    """A gateway that can be put under load."""

    name: str

    def launch(self, site: Site) -> Launch:
        """Write what the subject needs into the site's folder. Raises Unavailable."""
        ...


class Running:
    """A started subject, answering. `measured` are the processes whose CPU and memory count."""

    def __init__(self, launch: Launch, site: Site, plan: CorePlan) -> None:
        self.target = Target(port=site.port, path=launch.path, headers=launch.headers, model=launch.model)
        self._port_file = launch.port_file
        self._log = site.folder / "output.log"
        # Byte code is there for an installed package; a caller that forbids writing it would have every start compile.
        words = [
            "env",
            "--unset=PYTHONDONTWRITEBYTECODE",
            *(f"{name}={value}" for name, value in launch.variables.items()),
            *launch.command,
        ]
        started = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(pinned(words, plan.subject), cwd=site.folder, stdout=log, stderr=log)
        try:
            self._await_answer(started + launch.start_seconds)
            self.first_answer_seconds = time.perf_counter() - started
            self._measured = launch.measured
            self._move_bystanders(plan)
        except BaseException:
            self.stop()
            raise

    @property
    def pids(self) -> list[int]:
        return self._measured(self._process.pid)

    @property
    def root(self) -> int:
        """The process that was started; all others are below it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        return sum(cpu_time(self.pids))

    def resident_kb(self) -> int:
        return resident_kb(self.pids)

    def stop(self) -> None:
        """Ask, then insist; what the subject started goes with it."""
        members = family(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in members[1:]:
            if command_line(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _move_bystanders(self, plan: CorePlan) -> None:
        """Processes of the subject that are not measured (its control plane) leave the measured core, and step back.

        They share a core with load and mock: what these wait for them is not the gateway's delay.
        """
        measured = set(self.pids)
        for pid in family(self._process.pid):
            if pid not in measured:
                move_to(pid, plan.mock)
                step_back(pid)

    def _await_answer(self, deadline: float) -> None:
        complaint = "no connection"
        while time.perf_counter() < deadline and self.is_alive:
            answer = self._try_once()
            if answer is None:
                return
            complaint = answer
            time.sleep(0.01)
        tail = " | ".join(self._log.read_text(errors="replace").strip().splitlines()[-4:])
        state = "it did not answer in time" if self.is_alive else "it ended"
        raise Unavailable(f"{state} ({complaint}); its last words: {tail[-600:] or 'none'}")

    def _try_once(self) -> str | None:
        """None when one whole chat completion came back, else what came instead."""
        if self._port_file is not None:
            if not self._port_file.exists():
                return "it named no port"
            self.target = replace(self.target, port=int(self._port_file.read_text()))
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=10)
        headers = {"Content-Type": "application/json", **dict(self.target.headers)}
        try:
            connection.request("POST", self.target.path, chat_body(self.target.model), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as failure:
            return repr(failure)
        finally:
            connection.close()
        return None if response.status == 200 and ANSWER_MARK in body else f"{response.status} {body[:200]!r}"


class Nginx:
    """Debian's nginx with `proxy_pass`: the yardstick of every ratio."""

    name = "nginx"

    def launch(self, site: Site) -> Launch:
        if shutil.which("nginx") is None:
            raise Unavailable("nginx is not installed: apt-get install -y nginx-light")
        template = Template((HERE / "nginx.conf.template").read_text())
        config = site.folder / "nginx.conf"
        config.write_text(template.substitute(folder=site.folder, port=site.port, mock_port=site.mock_port))
        return Launch(["nginx", "-p", str(site.folder), "-c", str(config)], measured=_nginx_workers)


def _nginx_workers(root: int) -> list[int]:
    return [pid for pid in family(root) if "worker process" in command_line(pid)]


class Minimal:
    """A proxy of a hundred lines of asyncio that does nothing else: what Python could reach at best."""

    name = "minimal"

    def launch(self, site: Site) -> Launch:
        port_file = site.folder / "port.txt"
        command = [sys.executable, "-P", str(HERE / "minimal.py"), str(port_file), str(site.mock_port)]
        return Launch(command, port_file=port_file)


SWITCHGEAR_CONFIG = Template("""\
server: {host: 127.0.0.1, port: $port}
keys: [{name: bench, key: $key}]
""")
ONE_UPSTREAM = """\
providers: {mock: {kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}}
models: {bench: {deployments: [{model: mock/gpt-bench}]}}
"""


class Switchgear:
    """The gateway itself, with everything on: virtual keys, journal, metrics, and the control process beside it.

    ``upstreams`` is the rest of its configuration, from ``providers`` on; ``$mock_port`` in it is the mock's.
    """

    def __init__(self, name: str = "switchgear", upstreams: str = ONE_UPSTREAM, *, watch: Path | None = None) -> None:
        """``watch`` is an empty folder for what the loop's heart tells; see `bench.heartbeat`."""
        self.name = name
        self._upstreams = Template(upstreams)
        self._watch = watch

    def launch(self, site: Site) -> Launch:
        program = Path(sys.executable).with_name("switchgear")
        if not program.exists():
            raise Unavailable(f"no {program.name} command beside {Path(sys.executable).name}: pip install -e .")
        config = site.folder / "switchgear.yaml"
        head = SWITCHGEAR_CONFIG.substitute(port=site.port, key=BENCH_KEY)
        config.write_text(head + self._upstreams.substitute(mock_port=site.mock_port))
        variables: dict[str, str] = {}
        if self._watch is not None:
            shutil.copyfile(HERE / "heartbeat.py", self._watch / "sitecustomize.py")
            variables["PYTHONPATH"] = str(self._watch)
        return Launch(
            [str(program), "serve", "--config", str(config), "--port", str(site.port)],
            headers=(("Authorization", f"Bearer {BENCH_KEY}"),),
            model="bench",
            variables=variables,
            measured=_gateway_process,
        )


def _gateway_process(root: int) -> list[int]:
    """The gateway below the supervisor; the supervisor itself when it runs the gateway in its own process."""
    return [pid for pid in family(root) if _is_gateway(command_line(pid))] or [root]


def _is_gateway(command: str) -> bool:
    """`switchgear gateway ...`, or the module that the supervisor starts by its name."""
    return any(word == "gateway" or word.endswith(".gateway") for word in command.split())
