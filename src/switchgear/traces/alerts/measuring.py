"""What a rule's condition amounts to now: one question to the store of spans, a look at limits or at checks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from switchgear.kernel.limit_report import LimitReport
from switchgear.kernel.query import Aggregate, Compare, Every, Filter, Group, Measure, Window
from switchgear.traces.alerts.drifting import OLDEST_NS, Newest, readings
from switchgear.traces.alerts.machine import Knowledge, Reading
from switchgear.traces.alerts.rule import NANOSECONDS, SHARES, Budget, Drift, Quantity, Rule, Spans, Test
from switchgear.traces.gateway_spans import DEFAULT_PROJECT

MOST_GROUPS: Final = 500
"""Alerts of one rule; groups with the most calls come first."""
_NANO: Final = 1e9
_MILLION: Final = 1e6

Readings = Mapping[str, Reading]
"""By labels."""


class Asked(Protocol):
    """What of a store of spans is needed (:class:`~switchgear.kernel.ports.TraceStore`)."""

    async def aggregate(self, question: Aggregate) -> list[Group]:
        """Raises OSError."""
        ...


Limits = Callable[[], Sequence[LimitReport]]
"""How limits stand. Raises OSError when no gateway tells of them."""


class Figure(Struct, frozen=True):
    """What one window has of one group."""

    calls: int
    value: float | None
    """None: nothing to measure."""


class Gauge:
    """Looks at spans, limits and checks for drift for rules."""

    def __init__(self, spans: Asked, limits: Limits, newest: Newest) -> None:
        self._spans = spans
        self._limits = limits
        self._newest = newest

    async def read(self, rule: Rule, tracked: Sequence[str], now_ns: int) -> Readings:
        """What is known for each group, those of ``tracked`` (labels) in any case."""
        try:
            if isinstance(rule.measure, Budget):
                return self._shares(rule.measure, rule, tracked)
            if isinstance(rule.measure, Drift):
                told = await self._newest(rule.project or DEFAULT_PROJECT, now_ns - OLDEST_NS)
                return {**dict.fromkeys(tracked, Reading(knowledge="too_little")), **readings(told, rule.measure)}
            return await self._figures(rule.measure, rule, tracked, now_ns)
        except OSError:
            return dict.fromkeys(tracked or ("",), Reading(knowledge="unanswered"))

    async def _figures(self, of: Spans, rule: Rule, tracked: Sequence[str], now_ns: int) -> Readings:
        window_ns = of.window_seconds * NANOSECONDS
        present = await self._window(of, rule.project, now_ns - window_ns, now_ns)
        earlier: Mapping[str, Figure] = {}
        if _looks_back(of, rule.test):
            earlier = await self._window(of, rule.project, now_ns - 2 * window_ns, now_ns - window_ns)
        always = () if of.by else ("",)
        names = dict.fromkeys((*always, *present, *earlier, *tracked))
        nothing = nothing_of(of.quantity)
        return {
            name: judged(rule, of, present.get(name, nothing), earlier.get(name, nothing))
            for name in names
            if of.by or not name  # a rule that is no longer grouped, or is so only now
        }

    async def _window(self, of: Spans, project: str, since_ns: int, until_ns: int) -> Mapping[str, Figure]:
        groups = await self._spans.aggregate(
            Aggregate(
                window=Window(project=project or DEFAULT_PROJECT, since_ns=since_ns, until_ns=until_ns),
                where=filtered(of),
                by=(of.by,) if of.by else (),
                measures=(Measure(reduction="count"), *_measures(of)),
                limit=MOST_GROUPS,
            )
        )
        return {labels_of(of.by, group): _figure(of.quantity, group) for group in groups}

    def _shares(self, of: Budget, rule: Rule, tracked: Sequence[str]) -> Readings:
        found: dict[str, Reading] = {}
        for report in self._limits():
            if report.limit != of.limit or of.quantity not in ("", report.quantity):
                continue
            labels = f"{report.quantity} {report.whom}".strip()
            is_met = passes(rule.test, rule.bound, report.share)
            knowledge: Knowledge = ("met" if is_met else "clear") if report.known else "unanswered"
            found[labels] = Reading(knowledge=knowledge, value=report.share)
        # Gateways tell of no count that is nothing: its window is over, or nobody has called yet.
        unused = Reading(knowledge="met" if passes(rule.test, rule.bound, 0.0) else "clear", value=0.0)
        return {**{name: unused for name in tracked if name}, **found}


def filtered(of: Spans) -> Filter | None:
    """Which spans a quantity is of."""
    filters: list[Filter] = [] if of.where is None else [of.where]
    if of.quantity in ("cost_usd", "tokens"):
        # What a span above sums up once more is not used twice.
        filters.append(Compare(field="counted", value=True))
    if of.quantity == "first_token_ms":
        filters.append(Compare(field="first_token_ns", op=">", value=0))
    if len(filters) > 1:
        return Every(filters=tuple(filters))
    return filters[0] if filters else None


def judged(rule: Rule, of: Spans, now: Figure, before: Figure) -> Reading:
    """What two windows say of a rule; ``before`` counts only where it is compared with."""
    compares = rule.test in ("grows_by", "falls_by")
    return Reading(
        knowledge=_knowledge(rule, of, now, before),
        value=now.value,
        before=before.value if compares else None,
        calls=now.calls,
    )


def _knowledge(rule: Rule, of: Spans, now: Figure, before: Figure) -> Knowledge:
    if rule.test == "absent":
        return "clear" if now.calls else "met"
    least = max(of.min_calls, 1 if of.quantity in SHARES else 0)
    if now.calls < least or now.value is None:
        return "too_little"
    if rule.test in ("above", "below"):
        return "met" if passes(rule.test, rule.bound, now.value) else "clear"
    if before.calls < max(least, 1) or not before.value:
        return "too_little"
    grown = now.value >= before.value * rule.bound
    fallen = now.value * rule.bound <= before.value
    return "met" if (grown if rule.test == "grows_by" else fallen) else "clear"


def passes(test: Test, bound: float, value: float) -> bool:
    """Whether a value is beyond a threshold."""
    return value > bound if test == "above" else value < bound


def labels_of(by: str, group: Group) -> str:
    """``field=value``; empty where nothing is grouped."""
    if not by:
        return ""
    value = group.values[0]
    return f"{by}={'' if value is None else value}"


def nothing_of(quantity: Quantity) -> Figure:
    """What no call at all amounts to."""
    return Figure(0, None if quantity in SHARES else 0.0)


def _looks_back(of: Spans, test: Test) -> bool:
    """A group that has fallen silent is found in the window before."""
    return test in ("grows_by", "falls_by") or (test == "absent" and bool(of.by))


def _measures(of: Spans) -> tuple[Measure, ...]:
    match of.quantity:
        case "calls":
            return ()
        case "errors" | "error_rate":
            return (Measure(reduction="errors"),)
        case "duration_ms":
            return (Measure(reduction="quantile", field="duration_ns", q=of.quantile),)
        case "first_token_ms":
            return (Measure(reduction="quantile", field="first_token_ns", q=of.quantile),)
        case "cost_usd":
            return (Measure(reduction="sum", field="cost_nano_usd"),)
        case "tokens":
            return (Measure(reduction="sum", field="input_tokens"), Measure(reduction="sum", field="output_tokens"))


def _figure(quantity: Quantity, group: Group) -> Figure:
    count, *rest = group.measures
    calls = int(count or 0)
    first = rest[0] if rest else None
    match quantity:
        case "calls":
            return Figure(calls, float(calls))
        case "errors":
            return Figure(calls, float(first or 0))
        case "error_rate":
            return Figure(calls, (first or 0) / calls if calls else None)
        case "duration_ms" | "first_token_ms":
            return Figure(calls, None if first is None else first / _MILLION)
        case "cost_usd":
            return Figure(calls, (first or 0) / _NANO)
        case "tokens":
            return Figure(calls, float(sum(each or 0 for each in rest)))
