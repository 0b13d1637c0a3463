"""`python -m bench.profile`: where the gateway's CPU goes, function by function, in microseconds per request.

The cost of a request is measured first, undisturbed; then py-spy samples the process under the same load, and the
shares it saw are laid on that cost. A function's own time includes the C code and the system calls it makes directly.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.machine import allow_open_files, cpu_time, pinned, plan_cores
from bench.payloads import stream_wishes
from bench.peers.install import python_environment
from bench.programs import Mock, Schedule, compile_programs
from bench.report import number, table
from bench.stand import Effort, Stand
from bench.subjects import Minimal, Running, Subject, Switchgear, Unavailable

SAMPLER = "py-spy==0.4.3"
SAMPLES_PER_SECOND = 500
OPEN_FILES = 16_384


@dataclass(frozen=True)
class Stacks:
    """How often each function was seen: on top of the stack, and anywhere in it."""

    own: Counter[str]
    with_callees: Counter[str]
    samples: int


def parse_collapsed(text: str) -> Stacks:
    """Read `outer;inner;innermost COUNT` lines; a recursive function counts once for each stack."""
    own: Counter[str] = Counter()
    with_callees: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        with_callees.update(dict.fromkeys(frames, int(count)))
    return Stacks(own, with_callees, sum(own.values()))


def sample(running: Running, stand: Stand, schedule: Schedule, wishes: str, *, native: bool) -> Stacks:
    """Sample the measured process while it is under load. Raises Unavailable when it may not be looked at."""
    python = python_environment(stand.cache / "profile", SAMPLER)
    collapsed = stand.folder / "stacks.txt"
    words = [str(python.with_name("py-spy")), "record", "--pid", str(running.pids[0]), "--format", "raw", "--function"]
    # Native frames need the process to stand still while it is looked at; plain ones do not.
    words += [
        "--native" if native else "--nonblocking",
        "--rate",
        str(SAMPLES_PER_SECOND),
        "--duration",
        str(int(schedule.seconds)),
    ]
    command = pinned([*words, "--output", str(collapsed)], stand.plan.mock)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sampler:
        stand.load(running.target, schedule, wishes)
        _, complaint = sampler.communicate()
    if not collapsed.exists():
        raise Unavailable(f"py-spy saw nothing: {complaint.strip().splitlines()[-1:]}")
    return parse_collapsed(collapsed.read_text())


def profile(stand: Stand, subject: Subject, top: int, *, stream: bool, native: bool) -> str:
    """The report: cost of a request (or of a whole stream), and the functions that make it up."""
    wishes = stream_wishes(60, 1000) if stream else ""
    schedule = Schedule(stand.effort.seconds, warmup_seconds=0.0, stream=stream)
    with stand.running(subject) as running:
        stand.load(running.target, Schedule(1.0, warmup_seconds=0.0, stream=stream), wishes)
        before = cpu_time(running.pids)
        undisturbed = stand.load(running.target, schedule, wishes)
        after = cpu_time(running.pids)
        stacks = sample(running, stand, schedule, wishes, native=native)
    user_us, system_us = (
        1e6 * (late - early) / max(1, undisturbed.completed_total) for early, late in zip(before, after, strict=True)
    )
    cost_us = user_us + system_us
    what = "60-chunk stream" if stream else "request"
    title = (
        f"{subject.name}: {cost_us:.1f} us of CPU per {what} (user {user_us:.1f}, system {system_us:.1f}) "
        f"at {undisturbed.rps:,.0f}/s, {stacks.samples} samples"
    )
    own = _ranking(f"{title}\n\nOwn time", stacks.own, stacks.samples, cost_us, top)
    return own + "\n" + _ranking("With what they call", stacks.with_callees, stacks.samples, cost_us, top)


def _ranking(title: str, counts: Counter[str], samples: int, cost_us: float, top: int) -> str:
    rows = [
        [name, number(cost_us * count / samples, 2), number(100 * count / samples, 1)]
        for name, count in counts.most_common(top)
    ]
    return table(title, ["function", "us", "%"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="The gateway's CPU, per request.")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of each of the two loads")
    parser.add_argument("--top", type=int, default=30, help="functions to show")
    parser.add_argument("--stream", action="store_true", help="profile paced streams instead of plain calls")
    parser.add_argument("--native", action="store_true", help="show the C functions too; disturbs the gateway more")
    parser.add_argument("--minimal", action="store_true", help="profile the minimal proxy instead of the gateway")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache", help="where py-spy is kept between runs")
    options = parser.parse_args()
    allow_open_files(OPEN_FILES)
    compile_programs()
    plan, effort = plan_cores(), Effort(seconds=options.seconds)
    subject: Subject = Minimal() if options.minimal else Switchgear()
    with Mock(plan) as mock, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        stand = Stand(plan, effort, mock, options.cache / "switchgear-bench", Path(folder))
        try:
            sys.stdout.write(profile(stand, subject, options.top, stream=options.stream, native=options.native))
        except Unavailable as reason:
            sys.stderr.write(f"no profile: {reason}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
