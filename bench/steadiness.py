"""Whether a core runs at one speed: a virtual one may be slow for tens of milliseconds, unseen by any counter.

A subject that needs a tenth of a core hardly meets such a stretch; one that needs a third falls behind in it, and its
99th percentile is then the machine's. So the share of slow time is measured before a run and printed with its figures.
"""

import subprocess
import sys

from bench.machine import pinned

WORTH_A_WARNING = 0.01
SECONDS = 4.0

PIECES = """
import sys, time

def piece():
    seen = {}
    for number in range(1200):
        seen[number % 50] = (number, str(number))

took, end = [], time.perf_counter() + float(sys.argv[1])
while (began := time.perf_counter()) < end:
    piece()
    took.append(time.perf_counter() - began)
print(*took)
"""
"""Equal pieces of interpreted work, each a few hundred microseconds, and how long each of them took."""


def slow_share(seconds_taken: list[float]) -> float:
    """The share of the time that went into pieces of less than half the usual speed."""
    usual = sorted(seconds_taken)[len(seconds_taken) // 2]
    return sum(seconds for seconds in seconds_taken if seconds > 2 * usual) / sum(seconds_taken)


def steadiness(cores: tuple[int, ...], seconds: float = SECONDS) -> str:
    """One line on the subject's core, for the conditions of a run."""
    command = pinned([sys.executable, "-c", PIECES, str(seconds)], cores)
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    share = slow_share([float(word) for word in answer.stdout.split()])
    warning = ": 99th percentiles below are in part the machine's" if share > WORTH_A_WARNING else ""
    return f"{share:.1%} of {seconds:g} s at less than half speed{warning}"
