"""What the generator's log tells of a load, moment by moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ANSWERED = "ok"


class Answer(NamedTuple):
    """One request: when it was due (monotonic clock), how long it took from then, and `ok` or what went wrong."""

    due_ns: int
    took_us: float
    outcome: str


def read_log(path: Path) -> list[Answer]:
    """The answers in the order they were due."""
    lines = (line.split() for line in path.read_text().splitlines())
    return sorted(Answer(int(due), int(took) / 1e3, outcome) for due, took, outcome in lines)


def between(answers: Sequence[Answer], from_ns: int, to_ns: int) -> list[Answer]:
    """Those that were due in this time."""
    return [answer for answer in answers if from_ns <= answer.due_ns < to_ns]


def percentile(values: Sequence[float], fraction: float) -> float:
    """Nearest rank; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(int(fraction * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def p99_ms(answers: Sequence[Answer]) -> float:
    return percentile([answer.took_us for answer in answers], 0.99) / 1e3
