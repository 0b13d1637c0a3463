"""What the harness reads from the machine: cores, CPU time and memory of processes, and the conditions of a run."""

import contextlib
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LOWEST_PRIORITY = 19
HIGHEST_PRIORITY = -20


@dataclass(frozen=True)
class CorePlan:
    """Which cores the thing under test may use, and which the rest: the two never meet."""

    subject: tuple[int, ...]
    generator: tuple[int, ...]
    mock: tuple[int, ...]

    @property
    def is_shared(self) -> bool:
        """There is one core only: the harness works, and its numbers mean nothing."""
        return self.subject == self.generator


def plan_cores() -> CorePlan:
    """The subject alone on the first core; generator and mock share another, or have one each where there are three."""
    cores = sorted(os.sched_getaffinity(0))
    last = len(cores) - 1
    return CorePlan(subject=(cores[0],), generator=(cores[min(1, last)],), mock=(cores[min(2, last)],))


def pinned(command: list[str], cores: tuple[int, ...]) -> list[str]:
    """The command, for these cores and no others; as root, before all else that the machine does there."""
    ahead = ["nice", "-n", str(HIGHEST_PRIORITY)] if os.geteuid() == 0 else []
    return [*ahead, "taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def move_to(pid: int, cores: tuple[int, ...]) -> None:
    """Move every thread of a running process to these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        # Threads come and go; those that come later have the cores of who made them.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


def step_back(pid: int) -> None:
    """Have every thread of a running process work only where nobody else on its core has something to do."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(task.name), LOWEST_PRIORITY)


def command_line(pid: int) -> str:
    """The words a process was started with, joined by blanks; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def family(pid: int) -> list[int]:
    """A process and everything below it, the eldest first."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in task.read_text().split())
    return found


class CpuTime(NamedTuple):
    """Seconds of CPU, in steps of one clock tick (10 ms)."""

    user: float
    system: float


def cpu_time(pids: list[int]) -> CpuTime:
    """What these processes have used together since they were started."""
    user = system = 0
    for pid in pids:
        # The second field is the command in brackets and may hold blanks: count from its end.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user += int(fields[11])
        system += int(fields[12])
    return CpuTime(user / TICKS_PER_SECOND, system / TICKS_PER_SECOND)


def resident_kb(pids: list[int]) -> int:
    """Resident memory of these processes together, in KiB."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_open_files(wanted: int) -> None:
    """Raise the limit of open files for this process and those it starts, as far as it may go."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))


def conditions(plan: CorePlan) -> dict[str, str]:
    """What a reader must know to compare this run with another."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "pinning": f"subject on core {plan.subject[0]}, load on core {plan.generator[0]}, mock on core {plan.mock[0]}"
        + (" (ONE CORE FOR ALL: NOT COMPARABLE)" if plan.is_shared else ""),
        "load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "kernel": platform.release(),
        "python": f"{platform.python_version()} ({Path(sys.executable).resolve()})",
        "nginx": nginx_version() or "not installed",
    }


def nginx_version() -> str | None:
    """The version of the installed nginx, or none."""
    try:
        answer = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return answer.stderr.strip().rpartition("/")[2]
