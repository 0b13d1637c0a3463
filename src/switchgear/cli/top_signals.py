"""From two readings of ``/metrics`` to the golden signals between them; pure, so that a screen need only show them."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from math import inf
from typing import Final

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]
_NANO: Final = 1e9
_OUTPUT: Final = frozenset(("output", "reasoning", "audio_output"))
_STATES: Final = ("closed", "half open", "open")
_ALL: Final = "all"
_NO_MODEL: Final = "(none)"
"""Calls that name no model, such as those that list them."""
_LIMITED: Final = 429
_FAILED_FROM: Final = 500


class Reading(Struct, frozen=True, kw_only=True):
    """What a gateway's metrics said at one moment."""

    at_seconds: float
    values: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]]
    """By the sample's name and its sorted labels."""


class Traffic(Struct, frozen=True, kw_only=True):
    """Of one model, or of all. Rates are for each second; None: nothing to measure."""

    model: str
    calls: float
    limited: float
    """Answered 429."""
    failed: float
    """Answered 5xx."""
    first_token_p50_seconds: float | None
    first_token_p95_seconds: float | None
    duration_p50_seconds: float | None
    duration_p95_seconds: float | None
    input_tokens: float
    output_tokens: float
    usd_per_minute: float
    rescued: float
    """Answered by an attempt that was not the first."""
    cached: float
    """Answered with the help of a cache."""


class Deployment(Struct, frozen=True, kw_only=True):
    """Where calls go, now."""

    deployment: str
    state: str
    in_flight: int
    waiting: int
    attempts: float
    errors: float


class Signals(Struct, frozen=True, kw_only=True):
    """Of the time between two readings."""

    seconds: float
    total: Traffic
    models: tuple[Traffic, ...]
    """The busiest first."""
    deployments: tuple[Deployment, ...]
    overhead_p50_seconds: float | None
    overhead_p95_seconds: float | None
    connections: int
    behind_seconds: float
    """How old the calls are that are being counted, where the counting is behind."""


def read(text: str, at_seconds: float) -> Reading:
    """A page of metrics. Raises ValueError where it is none."""
    values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = float(sample.value)
    return Reading(at_seconds=at_seconds, values=values)


def signals(before: Reading, after: Reading) -> Signals:
    """What happened from one to the other."""
    between = _Between(before, after)
    names = {labels["model"] for labels, _ in between.grown("switchgear_calls_total") if "model" in labels}
    models = [_traffic(between, name) for name in sorted(names)]
    models.sort(key=lambda each: -each.calls)
    return Signals(
        seconds=between.seconds,
        total=_traffic(between, None),
        models=tuple(models),
        deployments=tuple(_deployments(between)),
        overhead_p50_seconds=between.quantile("switchgear_overhead_seconds", 0.5),
        overhead_p95_seconds=between.quantile("switchgear_overhead_seconds", 0.95),
        connections=int(between.now("switchgear_connections")),
        behind_seconds=between.now("switchgear_journal_behind_seconds"),
    )


def _traffic(between: "_Between", model: str | None) -> Traffic:
    """Of one model, empty for calls that name none; None: of all."""

    def of_model(labels: Labels) -> bool:
        return model is None or labels.get("model") == model

    def status(labels: Labels) -> int:
        told = labels.get("status", "")
        return int(told) if told.isdigit() else 0

    rate = between.rate
    return Traffic(
        model=_ALL if model is None else model or _NO_MODEL,
        calls=rate("switchgear_calls_total", of_model),
        limited=rate("switchgear_calls_total", lambda each: of_model(each) and status(each) == _LIMITED),
        failed=rate("switchgear_calls_total", lambda each: of_model(each) and status(each) >= _FAILED_FROM),
        first_token_p50_seconds=between.quantile("switchgear_first_token_seconds", 0.5, of_model),
        first_token_p95_seconds=between.quantile("switchgear_first_token_seconds", 0.95, of_model),
        duration_p50_seconds=between.quantile("switchgear_call_duration_seconds", 0.5, of_model),
        duration_p95_seconds=between.quantile("switchgear_call_duration_seconds", 0.95, of_model),
        input_tokens=rate("switchgear_tokens_total", lambda each: of_model(each) and each["bucket"] not in _OUTPUT),
        output_tokens=rate("switchgear_tokens_total", lambda each: of_model(each) and each["bucket"] in _OUTPUT),
        usd_per_minute=60 * rate("switchgear_cost_nano_usd_total", of_model) / _NANO,
        rescued=rate("switchgear_rescued_calls_total", of_model),
        cached=rate("switchgear_cache_lookups_total", lambda each: of_model(each) and each.get("result") == "hit"),
    )


def _deployments(between: "_Between") -> Iterator[Deployment]:
    names = {labels["deployment"] for labels, _ in between.standing("switchgear_breaker_state")}
    names |= {labels["deployment"] for labels, _ in between.grown("switchgear_attempts_total")}
    for name in sorted(names):
        state = int(between.now("switchgear_breaker_state", name))
        yield Deployment(
            deployment=name,
            state="cooling" if between.now("switchgear_deployment_cooling", name) else _STATES[min(state, 2)],
            in_flight=int(between.now("switchgear_deployment_in_flight", name)),
            waiting=int(between.now("switchgear_deployment_waiting", name)),
            attempts=between.rate("switchgear_attempts_total", _of(name)),
            errors=between.rate("switchgear_attempt_errors_total", _of(name)),
        )


def _of(deployment: str) -> Callable[[Labels], bool]:
    return lambda labels: labels.get("deployment") == deployment


def _all(_: Labels) -> bool:
    return True


class _Between:
    """Two readings, the later one's counters less the earlier one's."""

    def __init__(self, before: Reading, after: Reading) -> None:
        self._before, self._after = before.values, after.values
        self.seconds = max(after.at_seconds - before.at_seconds, 1e-3)

    def grown(self, name: str) -> Iterator[tuple[Labels, float]]:
        """By how much each series grew; one that fell began anew."""
        earlier = self._before.get(name, {})
        for labels, value in self._after.get(name, {}).items():
            was = earlier.get(labels, 0.0)
            yield dict(labels), value - was if value >= was else value

    def standing(self, name: str) -> Iterator[tuple[Labels, float]]:
        for labels, value in self._after.get(name, {}).items():
            yield dict(labels), value

    def now(self, name: str, deployment: str = "") -> float:
        """The sum of a gauge."""
        return sum(
            value for labels, value in self.standing(name) if not deployment or labels.get("deployment") == deployment
        )

    def rate(self, name: str, where: Callable[[Labels], bool] = _all) -> float:
        return sum(value for labels, value in self.grown(name) if where(labels)) / self.seconds

    def quantile(self, name: str, q: float, where: Callable[[Labels], bool] = _all) -> float | None:
        """As Prometheus' ``histogram_quantile``: linear within the bucket that the rank falls into."""
        counts: dict[float, float] = {0.0: 0.0}
        for labels, value in self.grown(f"{name}_bucket"):
            if where(labels):
                edge = float(labels["le"])
                counts[edge] = counts.get(edge, 0.0) + value
        steps = sorted(counts.items())
        total = steps[-1][1]
        if total <= 0:
            return None
        rank = q * total
        for (low, below), (high, up_to) in pairwise(steps):
            if up_to >= rank and up_to > below:
                return low if high == inf else low + (high - low) * (rank - below) / (up_to - below)
        return steps[-1][0]
