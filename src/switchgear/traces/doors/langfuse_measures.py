"""Langfuse's questions for metrics as ours: what is not among its views, dimensions and measures here is refused."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec import Struct, structs

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import (
    MOST_INTEGER,
    Aggregate,
    Bucket,
    Compare,
    Either,
    Every,
    Group,
    Measure,
    Reduction,
    Window,
)
from switchgear.traces.doors.langfuse_conditions import OBSERVATIONS, TRACES, Column, Columns, conditions
from switchgear.traces.doors.langfuse_shown import TYPES
from switchgear.traces.doors.reading import a_list, an_object, members, moment_ns, text

Fields = Mapping[str, object]
Granularity = Literal["minute", "hour", "day", "week", "month"]
TIME: Final = "time_dimension"
"""What answers call the beginning of a time."""
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_BUCKETS: Final[Mapping[str, Bucket]] = {"minute": "minute", "hour": "hour", "day": "day"}
_LENGTHS: Final[Mapping[Granularity, int]] = {
    "minute": 60 * _SECOND_NS, "hour": 3_600 * _SECOND_NS, "day": _DAY_NS, "week": 7 * _DAY_NS, "month": 30 * _DAY_NS,
}  # fmt: skip
_ALL: Final[tuple[Granularity, ...]] = ("minute", "hour", "day", "week", "month")
_AUTO: Final = 50
"""Times in about which ``auto`` divides what is asked for."""
_MOST_PIECES: Final = 60
_MOST_LINES: Final = 50_000
_MOST_GROUPS: Final = 1_000
_USUAL_ROWS: Final = 100
_MEMBERS: Final = (
    *("view", "dimensions", "metrics", "filters", "timeDimension", "fromTimestamp", "toTimestamp", "orderBy", "config"),
)
_QUANTILES: Final = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_REDUCTIONS: Final[Mapping[str, Reduction]] = {"sum": "sum", "avg": "mean", "min": "min", "max": "max"}


class Dimension(Struct, frozen=True, kw_only=True):
    """What lines are told apart by: fields of ours, and what their values are called."""

    fields: tuple[str, ...]
    label: Callable[[Sequence[str]], str | None]


class Metric(Struct, frozen=True, kw_only=True):
    """One number of a line: what measures sum up to, in Langfuse's units."""

    alias: str
    measures: tuple[Measure, ...]
    scale: float = 1

    def of(self, values: Sequence[float | None]) -> float | None:
        """From what these measures are; None where there is nothing to measure."""
        told = [value for value in values if value is not None]
        return None if not told else sum(told) if self.scale == 1 else sum(told) / self.scale


class View(Struct, frozen=True, kw_only=True):
    """What can be asked of one kind of thing."""

    dimensions: Mapping[str, Dimension]
    columns: Columns
    counts: Mapping[str, Measure]
    numbers: Mapping[str, tuple[str, float]]
    """Fields, and how many of our units one of Langfuse's is."""
    sums_only: Collection[str] = ()
    """Numbers of which nothing but the sum is known."""


class Question(Struct, frozen=True, kw_only=True):
    """What is asked."""

    asked: Aggregate
    """Over all of the time, in its buckets."""
    dimensions: Mapping[str, Dimension]
    metrics: tuple[Metric, ...]
    granularity: Granularity | None
    order: tuple[tuple[str, bool], ...]
    """Names, and whether the largest stands first."""
    rows: int

    @property
    def by_largest(self) -> bool:
        """Whether lines stand as groups do: those with the largest first measure first."""
        largest = (self.metrics[0].alias, True)
        return self.order[0] == largest or self.order == ((TIME, False), largest)

    def label(self, group: Group) -> tuple[str | None, ...]:
        """What a group is called in each dimension."""
        values = dict(zip(self.asked.by, (str(value or "") for value in group.values), strict=True))
        return tuple(each.label([values[field] for field in each.fields]) for each in self.dimensions.values())

    def pieces(self) -> list[tuple[int | None, Aggregate]]:
        """Questions that together answer it, each with when its time begins where that is no bucket of ours."""
        if self.granularity not in ("week", "month"):
            return [(None, self.asked)]
        window, begins = self.asked.window, _begin(self.granularity, self.asked.window.since_ns)
        found: list[tuple[int | None, Aggregate]] = []
        while begins < window.until_ns:
            ends = _begin(self.granularity, begins + _LENGTHS[self.granularity] + 2 * _DAY_NS)
            since_ns, until_ns = max(begins, window.since_ns), min(ends, window.until_ns)
            part = structs.replace(window, since_ns=since_ns, until_ns=until_ns)
            found.append((begins, structs.replace(self.asked, window=part)))
            begins = ends
        return found


def _plain(field: str) -> Dimension:
    return Dimension(fields=(field,), label=lambda values: values[0] or None)


_ENVIRONMENT: Final = Dimension(fields=("environment",), label=lambda values: values[0] or "default")
_VIEWS: Final[Mapping[str, View]] = {
    "observations": View(
        dimensions={
            "environment": _ENVIRONMENT,
            "type": Dimension(fields=("kind",), label=lambda values: TYPES.get(values[0], "SPAN")),
            "name": _plain("name"),
            "level": Dimension(
                fields=("level", "status"),
                label=lambda values: values[0] or ("ERROR" if values[1] == "error" else "DEFAULT"),
            ),
            "release": _plain("release"),
            "traceRelease": _plain("release"),
            "traceName": _plain("trace_name"),
            "userId": _plain("user"),
            "sessionId": _plain("session"),
            "providedModelName": Dimension(
                fields=("request_model", "model"), label=lambda values: values[0] or values[1] or None
            ),
            "promptName": _plain("prompt_name"),
            "promptVersion": _plain("prompt_version"),
        },
        columns=Columns(
            of="observations",
            known={
                **OBSERVATIONS.known,
                # Here these are milliseconds.
                "latency": Column(kind="number", field="duration_ns", scale=1e6),
                "timeToFirstToken": Column(kind="number", field="first_token_ns", scale=1e6),
            },
        ),
        counts={"count": Measure(reduction="count")},
        numbers={
            "latency": ("duration_ns", 1e6),
            "timeToFirstToken": ("first_token_ns", 1e6),
            "inputTokens": ("input_tokens", 1),
            "outputTokens": ("output_tokens", 1),
            "totalCost": ("cost_nano_usd", 1e9),
        },
        sums_only=("totalTokens",),
    ),
    "traces": View(
        dimensions={
            "environment": _ENVIRONMENT,
            "name": _plain("trace_name"),
            "release": _plain("release"),
            "userId": _plain("user"),
            "sessionId": _plain("session"),
        },
        columns=Columns(of="traces", known={**TRACES.known, "name": Column(field="trace_name")}, denies=False),
        counts={
            "count": Measure(reduction="distinct", field="trace_id"),
            "observationsCount": Measure(reduction="count"),
        },
        numbers={"totalCost": ("cost_nano_usd", 1e9)},
        sums_only=("totalTokens", "totalCost"),
    ),
}


def read_question(said: Fields, project: str, views: Collection[str]) -> Question:
    """What a client asks of one of the ``views``. Raises BadRequest."""
    _check(said, _MEMBERS, "the query")
    name = text(said, "view")
    if name not in views:
        raise _no(
            f"the view {name[:40]!r} is not served: there is {', '.join(views)}; scores are at /api/public/v3/scores"
        )
    view = _VIEWS[name]
    since_ns, until_ns = (_moment(said, member) for member in ("fromTimestamp", "toTimestamp"))
    if since_ns >= until_ns:
        raise _no("'toTimestamp' is not after 'fromTimestamp'")
    dimensions = {field: _dimension(field, view) for field in _names(said.get("dimensions"), "dimensions", "field")}
    metrics = tuple(_metric(an_object(each, "a metric"), view) for each in _list(said, "metrics"))
    if not metrics:
        raise _no("'metrics' is empty: say at least one, such as a count")
    granularity = _granularity(said, until_ns - since_ns)
    lines = 1 if granularity is None else (until_ns - since_ns) // _LENGTHS[granularity] + 2
    most = _MOST_PIECES if granularity in ("week", "month") else _MOST_LINES
    if lines > most:
        raise _no(f"the time has {lines} of these granularities, at most {most}: ask for a shorter time or larger ones")
    filters = tuple(conditions(_list(said, "filters"), view.columns))
    by = tuple(dict.fromkeys(field for each in dimensions.values() for field in each.fields))
    return Question(
        asked=Aggregate(
            window=Window(project=project, since_ns=since_ns, until_ns=until_ns),
            where=Every(filters=filters) if filters else None,
            by=by,
            bucket=_BUCKETS.get(granularity or ""),
            measures=tuple(measure for metric in metrics for measure in metric.measures),
            limit=max(1, min(_MOST_GROUPS, _MOST_LINES // lines)),
        ),
        dimensions=dimensions,
        metrics=metrics,
        granularity=granularity,
        order=_order(said, tuple(dimensions), metrics, granularity),
        rows=_rows(said),
    )


def together(asked: Aggregate, groups: Sequence[Group]) -> Aggregate:
    """The same about these groups as if they were one."""
    combinations = {tuple(str(value or "") for value in group.values) for group in groups}
    some = Either(
        filters=tuple(
            Every(filters=tuple(Compare(field=field, value=value) for field, value in zip(asked.by, each, strict=True)))
            for each in sorted(combinations)
        )
    )
    where = some if asked.where is None else Every(filters=(asked.where, some))
    return structs.replace(asked, where=where, by=())


def _dimension(name: str, view: View) -> Dimension:
    found = view.dimensions.get(name)
    if found is None:
        raise _no(f"lines cannot be grouped by {name[:40]!r}: there are {', '.join(view.dimensions)}")
    return found


def _metric(said: Fields, view: View) -> Metric:
    name, aggregation = text(said, "measure"), text(said, "aggregation")
    alias = f"{aggregation}_{name}"
    if name in view.counts and aggregation in ("count", "sum"):
        return Metric(alias=alias, measures=(view.counts[name],))
    if name == "totalTokens" and aggregation == "sum":
        both = (Measure(reduction="sum", field=field) for field in ("input_tokens", "output_tokens"))
        return Metric(alias=alias, measures=tuple(both))
    if name in view.numbers and (name not in view.sums_only or aggregation == "sum"):
        field, scale = view.numbers[name]
        if aggregation in _QUANTILES:
            measure = Measure(reduction="quantile", field=field, q=_QUANTILES[aggregation])
            return Metric(alias=alias, measures=(measure,), scale=scale)
        if aggregation in _REDUCTIONS:
            return Metric(
                alias=alias, measures=(Measure(reduction=_REDUCTIONS[aggregation], field=field),), scale=scale
            )
    numbers = [each for each in view.numbers if each not in view.sums_only]
    raise _no(
        f"{aggregation[:20]!r} of {name[:40]!r} is not served: there are count of {', '.join(view.counts)}, sum of "
        f"{', '.join((*view.sums_only, *numbers))}"
        + (f", and {', '.join((*_REDUCTIONS, *_QUANTILES))} of {', '.join(numbers)}" if numbers else "")
    )


def _granularity(said: Fields, length_ns: int) -> Granularity | None:
    asked = said.get("timeDimension")
    if asked is None:
        return None
    name = text(members(asked), "granularity")
    if name == "auto":
        for each in _ALL:
            if length_ns <= _AUTO * _LENGTHS[each]:
                return each
        return "month"
    if name in _ALL:
        return name
    raise _no(f"there is no granularity {name[:40]!r}: there are auto, {', '.join(_LENGTHS)}")


def _order(
    said: Fields, dimensions: Sequence[str], metrics: Sequence[Metric], granularity: str | None
) -> tuple[tuple[str, bool], ...]:
    names = (*dimensions, *(metric.alias for metric in metrics), *((TIME,) if granularity else ()))
    found: list[tuple[str, bool]] = []
    for each in _list(said, "orderBy"):
        fields = an_object(each, "an order")
        name, direction = text(fields, "field"), text(fields, "direction") or "desc"
        if name not in names or direction not in ("asc", "desc"):
            told = f"{name[:60]!r} {direction[:10]!r}"
            raise _no(f"lines cannot stand by {told}: there are {', '.join(names)}, asc and desc")
        found.append((name, direction == "desc"))
    largest = (metrics[0].alias, True)
    return tuple(found) or (((TIME, False), largest) if granularity else (largest,))


def _rows(said: Fields) -> int:
    config = members(said.get("config"))
    _check(config, ("row_limit", "bins"), "'config'")
    rows = config.get("row_limit", _USUAL_ROWS)
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= _MOST_GROUPS:
        raise _no(f"'row_limit' is from 1 to {_MOST_GROUPS}")
    return rows


def _names(value: object, what: str, member: str) -> list[str]:
    return [text(an_object(each, f"one of {what!r}"), member) for each in _listed(value, what)]


def _list(said: Fields, name: str) -> list[object]:
    return _listed(said.get(name), name)


def _listed(value: object, name: str) -> list[object]:
    return [] if value is None else a_list(value, f"{name!r}")


def _moment(said: Fields, name: str) -> int:
    value = said.get(name)
    found = moment_ns(value) if isinstance(value, str) else None
    if found is None:
        raise _no(f"{name!r} is no moment in ISO 8601")
    return min(max(0, found), MOST_INTEGER)


def _check(said: Fields, known: Collection[str], where: str) -> None:
    for name in said:
        if name not in known:
            raise _no(f"{where} has no member {name[:40]!r}: there are {', '.join(known)}")


def _begin(granularity: Granularity, at_ns: int) -> int:
    """When the week (its Monday) or the month began that holds a moment, in UTC."""
    day = datetime.fromtimestamp(at_ns // _SECOND_NS, UTC).replace(hour=0, minute=0, second=0)
    first = day.replace(day=1) if granularity == "month" else day - timedelta(days=day.weekday())
    return int(first.timestamp()) * _SECOND_NS


def _no(why: str) -> BadRequest:
    return BadRequest(f"the metrics cannot be asked here: {why}", param="query")
