"""What a run found, as it is written to `bench/results/`, and the medians drawn from it."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import TypeVar

import msgspec

from bench.scenarios import Memory, RatePoint, Saturation, Streams

Record = TypeVar("Record")


class Findings(msgspec.Struct):
    """Every record of every round, by subject. `unavailable` and `broken` say why something is missing."""

    conditions: dict[str, str]
    effort: dict[str, object]
    saturation: dict[str, list[Saturation]] = {}
    rates: dict[str, list[list[RatePoint]]] = {}
    streams: dict[str, list[Streams]] = {}
    memory: dict[str, list[Memory]] = {}
    first_answer_seconds: dict[str, list[float]] = {}
    import_seconds: float | None = None
    unavailable: dict[str, str] = {}
    broken: dict[str, str] = {}


def middle(records: Iterable[Record], value: Callable[[Record], float | None]) -> float | None:
    """The median of one value over the rounds that have it; none when nothing was measured."""
    values = [found for record in records if (found := value(record)) is not None]
    return median(values) if values else None


def ratio(findings: Findings, subject: str, yardstick: str) -> float | None:
    """Saturated throughput over the yardstick's: the median of the rounds' own ratios, as the two ran side by side."""
    pairs = zip(findings.saturation.get(subject, []), findings.saturation.get(yardstick, []), strict=False)
    return middle(pairs, lambda pair: pair[0].rps / pair[1].rps)


def points_at(findings: Findings, subject: str, rate: float) -> list[RatePoint | None]:
    """One point per round at this rate; none for a round that did not climb so far."""
    rounds = findings.rates.get(subject, [])
    return [next((point for point in points if point.rate == rate), None) for points in rounds]


def added_us(
    subject: Sequence[RatePoint | None], baseline: Sequence[RatePoint | None], value: Callable[[RatePoint], float]
) -> float | None:
    """Latency added to the baseline's, in microseconds: the median of the rounds' own differences."""
    both = [(mine, theirs) for mine, theirs in zip(subject, baseline, strict=False) if mine and theirs]
    return middle(both, lambda pair: value(pair[0]) - value(pair[1]))


def added_to_streams_us(
    findings: Findings, subject: str, baseline: str, value: Callable[[Streams], float]
) -> float | None:
    """As `added_us`, for what was measured on streams."""
    pairs = zip(findings.streams.get(subject, []), findings.streams.get(baseline, []), strict=False)
    return middle(pairs, lambda pair: value(pair[0]) - value(pair[1]))
