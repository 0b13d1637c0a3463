"""Alerts on any database, with a clock that stands still, a store that is a list, and receivers that remember."""

import math
from collections.abc import Callable, Sequence

from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.limit_report import LimitReport
from switchgear.kernel.query import Aggregate, Compare, Every, Filter, Group, Measure, StartsWith, Tagged
from switchgear.kernel.span import Span
from switchgear.traces.alerts import store
from switchgear.traces.alerts.machine import Standing
from switchgear.traces.alerts.measuring import Gauge
from switchgear.traces.alerts.notice import Deliver, Notice, Outcome
from switchgear.traces.alerts.rule import Rule, Spans
from switchgear.traces.alerts.sending import Sending
from switchgear.traces.alerts.store import Change, KeptNotice, Silence
from switchgear.traces.alerts.watch import Pace, Watch
from switchgear.traces.drift.newest import Newest

SECOND = 1_000_000_000
PACE = Pace(every_seconds=30, keep_seconds=86_400)


class ListOfSpans:
    """Answers aggregates over a list, as far as rules ask; silent while ``is_down``."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.is_down = False
        self.questions: list[Aggregate] = []

    async def aggregate(self, question: Aggregate) -> list[Group]:
        self.questions.append(question)
        if self.is_down:
            raise ConnectionError("the store is away")
        window = question.window
        groups: dict[tuple[str, ...], list[Span]] = {}
        for span in self.spans:
            inside = window.since_ns <= span.started_ns < window.until_ns and span.project == window.project
            if inside and (question.where is None or fits(span, question.where)):
                groups.setdefault(tuple(str(value_of(span, field)) for field in question.by), []).append(span)
        if not question.by:
            groups.setdefault((), [])
        return [
            Group(values=values, bucket_ns=None, measures=tuple(measured(each, spans) for each in question.measures))
            for values, spans in groups.items()
        ]


def value_of(span: Span, field: str) -> object:
    usage = span.usage or Usage()
    special = {"input_tokens": usage.total_input, "output_tokens": usage.total_output}
    return special[field] if field in special else getattr(span, field)


def fits(span: Span, wanted: Filter) -> bool:
    match wanted:
        case Every():
            return all(fits(span, each) for each in wanted.filters)
        case Compare(op="=="):
            return value_of(span, wanted.field) == wanted.value
        case Compare(op=">"):
            return int(str(value_of(span, wanted.field))) > int(wanted.value)
        case StartsWith():
            return str(value_of(span, wanted.field)).startswith(wanted.prefix)
        case Tagged():
            return wanted.name in span.tags
        case _:
            raise AssertionError(f"no rule asks {wanted}")


def measured(measure: Measure, spans: Sequence[Span]) -> int | float | None:
    if measure.reduction == "count":
        return len(spans)
    if measure.reduction == "errors":
        return sum(span.status == "error" for span in spans)
    values = sorted(int(str(value_of(span, measure.field) or 0)) for span in spans)
    if measure.reduction == "sum":
        return sum(values) if values else None
    assert measure.reduction == "quantile"
    return values[math.ceil(measure.q * len(values)) - 1] if values else None


class Remembering:
    """A receiver that answers as it is told."""

    def __init__(self) -> None:
        self.told: list[Notice] = []
        self.answers: Callable[[Notice], Outcome] = lambda _: Outcome(sent=True, status=200)

    async def __call__(self, notice: Notice) -> Outcome:
        self.told.append(notice)
        return self.answers(notice)

    @property
    def events(self) -> list[str]:
        """What was told, in its order."""
        return [notice.event for notice in self.told]


class Stand:
    """One control process; others may share its database, its store and its clock."""

    def __init__(self, database: ControlDatabase, owner: str = "here", other: "Stand | None" = None) -> None:
        self.database = database
        self.clock = FrozenClock() if other is None else other.clock
        self.spans = ListOfSpans() if other is None else other.spans
        self.rules: list[Rule] = [] if other is None else other.rules
        self.limits: list[LimitReport] | None = []
        self.receiver = Remembering() if other is None else other.receiver
        self.receivers: dict[str, Deliver] = {"here": self.receiver}
        self.ids = Ids(self.clock, seeded_bits())
        gauge = Gauge(self.spans, self._limits, Newest(database))
        self.watch = Watch(database, self._rules, gauge, self.clock, self.ids, owner)
        self.sending = Sending(database, lambda: self.receivers, self.clock)

    async def _rules(self, _: object) -> list[Rule]:
        return self.rules

    def _limits(self) -> list[LimitReport]:
        if self.limits is None:
            raise ConnectionError("no gateway tells of its limits")
        return self.limits

    async def turn(self, seconds: float = 30) -> bool:
        """Let time pass, look, and tell; whether this process might look."""
        self.clock.advance(seconds)
        looked = await self.watch.turn(PACE)
        await self.sending.send_due()
        return looked

    async def turns(self, number: int) -> None:
        for _ in range(number):
            await self.turn()

    def calls(self, number: int = 1, **facts: object) -> None:
        """Calls that began a second ago."""
        for _ in range(number):
            self.spans.spans.append(call(self.clock.wall_ns() - SECOND, len(self.spans.spans), **facts))

    async def standing(self, rule: str = "errors", labels: str = "") -> Standing:
        async with self.database.read() as connection:
            found = await store.standings(connection, rule)
        return next(one for one in found if one.labels == labels)

    async def state(self, rule: str = "errors", labels: str = "") -> tuple[str, str]:
        found = await self.standing(rule, labels)
        return found.state, found.knowledge

    async def history(self) -> list[Change]:
        async with self.database.read() as connection:
            return (await store.changes(connection, [], 100))[::-1]

    async def notices(self) -> list[KeptNotice]:
        async with self.database.read() as connection:
            return (await store.notices(connection, [], 100))[::-1]

    async def silence(self, seconds: float, **facts: str) -> None:
        now_ns = self.clock.wall_ns()
        made = Silence(
            id=self.ids.new(),
            project=facts.get("project", ""),
            rule=facts.get("rule", ""),
            labels=facts.get("labels", ""),
            why="a test",
            made_by="ada",
            made_ns=now_ns,
            until_ns=now_ns + round(seconds * SECOND),
        )
        async with self.database.write() as connection:
            await store.add_silence(connection, made)


def call(started_ns: int, number: int, **facts: object) -> Span:
    plain = Span(
        project="default",
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        name="chat",
        kind="llm",
        started_ns=started_ns,
        ended_ns=started_ns + SECOND // 2,
        model="small",
    )
    return structs.replace(plain, **facts)


def rule(**facts: object) -> Rule:
    """More than a tenth of the calls of the last minute fail."""
    measure = Spans(quantity="error_rate", window_seconds=60)
    plain = Rule(name="errors", measure=measure, test="above", bound=0.1, receivers=("here",))
    return structs.replace(plain, **facts)


def spans(**facts: object) -> Spans:
    return structs.replace(Spans(quantity="error_rate", window_seconds=60), **facts)
