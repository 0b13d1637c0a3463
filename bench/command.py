"""What the commands that measure one bar each have in common: a stand, the conditions, and a verdict."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError

from bench.machine import CorePlan, allow_open_files, conditions, plan_cores
from bench.programs import Mock, compile_programs
from bench.report import Bar, verdicts
from bench.stand import Effort, Stand
from bench.steadiness import steadiness
from bench.subjects import Unavailable

OPEN_FILES = 16_384

Measure = Callable[[Stand, bool], Sequence[Bar]]
"""Measures on a stand and says what it sees; true: as shortly as shows that it works, not to quote."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def ready_stand(plan: CorePlan) -> Generator[Stand]:
    """The mock is up, the generator compiled, and there is an empty folder."""
    allow_open_files(OPEN_FILES)
    compile_programs()
    with Mock(plan) as mock, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        yield Stand(plan, Effort(), mock, Path(folder), Path(folder))


def run_command(name: str, description: str, measure: Measure) -> int:
    """Parse, measure, print; the exit status is 1 when something could not be measured, not when a bar is missed."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="as short as shows that it works; not to quote")
    options = parser.parse_args()
    plan = plan_cores()
    for what, value in {**conditions(plan), "steadiness": steadiness(plan.subject)}.items():
        say(f"{what}: {value}")
    say("")
    try:
        with ready_stand(plan) as stand:
            bars = measure(stand, options.quick)
    except (Unavailable, CalledProcessError, OSError) as failure:
        say(f"broke off: {failure!r}")
        return 1
    say(verdicts("Bars", bars))
    return 0
