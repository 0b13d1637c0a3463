"""Aggregates by looking at each span that fits."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from switchgear.engines.sqlite_spans.columns import TEXTS
from switchgear.engines.sqlite_spans.questions import Condition, measured_value_of, value_of, within
from switchgear.engines.sqlite_spans.rollups import GRAINS_NS
from switchgear.kernel.query import FIELDS, Aggregate, Bucket, Group, Measure

BUCKET_NS: Final[Mapping[Bucket, int]] = {
    "minute": GRAINS_NS[0],
    "hour": GRAINS_NS[1],
    "day": GRAINS_NS[2],
}
Value = str | int | bool | None
Key = tuple[tuple[Value, ...], int | None]
"""Values of ``by``, and the start of the bucket."""
Measured = int | float | None
Table = dict[Key, list[Measured]]
Ask = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]
"""Rows of a statement with what is bound to it."""
_OF_TRACES: Final = re.compile(r"(?<!\.)\btrace_id\b")


def scanned(connection: sqlite3.Connection, question: Aggregate) -> list[Group]:
    """The groups of a question, from the spans."""
    condition = within(question.window, question.where)
    keys = [_key_of(name, question) for name in question.by]
    sqls = [sql for measure in question.measures for sql in _looked_at(measure)]
    source = Condition(f"{_tables(condition.sql, *keys, *sqls)} WHERE {condition.sql}", condition.bound)
    return grouped(connection.execute, source, question)


def grouped(ask: Ask, source: Condition, question: Aggregate) -> list[Group]:
    """The groups of the rows of ``source``: what stands behind FROM, with all columns of ``s`` that are asked for."""
    table = _table(ask, source, question, question.bucket)
    ranks = table
    if question.bucket is not None:
        first = structs.replace(question, measures=question.measures[:1])
        ranks = _table(ask, source, first, None)
    return arranged(question, table, {values: measures[0] for (values, _), measures in ranks.items()})


def arranged(question: Aggregate, table: Table, ranks: Mapping[tuple[Value, ...], Measured]) -> list[Group]:
    """Groups in their order, the buckets of each in the order of time."""
    ordered = sorted(ranks, key=lambda values: (_rank(ranks[values]), ["" if v is None else str(v) for v in values]))
    places = {values: place for place, values in enumerate(ordered[: question.limit])}
    kept = [(places[values], bucket, values) for values, bucket in table if values in places]
    kept.sort(key=lambda line: (line[0], line[1] or 0))
    return [Group(values=values, bucket_ns=bucket, measures=tuple(table[values, bucket])) for _, bucket, values in kept]


def typed_values(by: Sequence[str], row: Sequence[Any]) -> tuple[Value, ...]:
    """Values of a group as their fields have them."""
    return tuple(_typed(name, value) for name, value in zip(by, row[: len(by)], strict=True))


def _typed(name: str, value: Value) -> Value:
    if FIELDS[name] == "boolean":
        return bool(value)
    return "" if value is None and FIELDS[name] == "text" else value


def _key_of(name: str, question: Aggregate) -> str:
    # The bare column lets groups be read off an index of it, whole: good for all of time, bad for the last hour.
    return f"s.{name}" if name in TEXTS and question.window.since_ns <= 0 else value_of(name)


def _tables(*sqls: str) -> str:
    """Without ``traces`` where nothing of it is asked for: an index that covers the question then does."""
    joined = any(_OF_TRACES.search(sql) for sql in sqls)
    return "spans s JOIN traces t ON t.id = s.trace" if joined else "spans s"


def _looked_at(measure: Measure) -> list[str]:
    return [measured_value_of(measure.field)] if measure.reduction == "quantile" else _reduced(measure)


def _table(ask: Ask, source: Condition, question: Aggregate, bucket: Bucket | None) -> Table:
    measures = question.measures
    keys = [_key_of(name, question) for name in question.by]
    if bucket is not None:
        keys.append(f"s.started_ns - s.started_ns % {BUCKET_NS[bucket]}")
    plain = [measure for measure in measures if measure.reduction != "quantile"]
    sqls = [sql for measure in plain for sql in _reduced(measure)]
    apart = f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}" if keys else ""
    table: Table = {}
    # Groups are found even where all that is measured are quantiles.
    for row in ask(f"SELECT {', '.join([*keys, *sqls, 'count(*)'])} FROM {source.sql}{apart}", source.bound):
        table[_key(question, bucket, row)] = list(_plain_measures(measures, row[len(keys) :]))
    for place, measure in enumerate(measures):
        if measure.reduction == "quantile":
            for row in _quantiles(ask, source, keys, measure):
                table[_key(question, bucket, row)][place] = row[-1]
    return table


def _key(question: Aggregate, bucket: Bucket | None, row: Sequence[Any]) -> Key:
    return typed_values(question.by, row), None if bucket is None else row[len(question.by)]


def _reduced(measure: Measure) -> list[str]:
    """The SQL of a measure: one column, two of a mean."""
    if measure.reduction == "count":
        return ["count(*)"]
    if measure.reduction == "errors":
        return ["coalesce(sum(s.status = 'error'), 0)"]
    value = measured_value_of(measure.field)
    if measure.reduction == "distinct":
        # Within a project a trace's number is as good as its id.
        return [f"count(DISTINCT {'s.trace' if measure.field == 'trace_id' else value})"]
    # SQLite's own mean is a sum of floating-point numbers; ours is the quotient of two whole ones.
    return [f"sum({value})", f"count({value})"] if measure.reduction == "mean" else [f"{measure.reduction}({value})"]


def _plain_measures(measures: Sequence[Measure], row: Sequence[Any]) -> Iterable[Measured]:
    at = 0
    for measure in measures:
        if measure.reduction == "quantile":
            yield None
        elif measure.reduction == "mean":
            yield row[at] / row[at + 1] if row[at + 1] else None
            at += 2
        else:
            yield row[at]
            at += 1


def _quantiles(ask: Ask, source: Condition, keys: Sequence[str], measure: Measure) -> Iterable[Sequence[Any]]:
    names = [f"k{number}" for number in range(len(keys))]
    inner = ", ".join([*(f"{key} AS {name}" for key, name in zip(keys, names, strict=True)), ""])
    apart = f"PARTITION BY {', '.join(names)}" if names else ""
    grouped = f"GROUP BY {', '.join(names)}" if names else ""
    shown = "".join(f"{name}, " for name in names)
    value = measured_value_of(measure.field)
    return ask(
        f"WITH told AS (SELECT {inner} {value} AS v FROM {source.sql}), "
        f"ranked AS (SELECT *, row_number() OVER ({apart} ORDER BY v) AS place, "
        f"count(*) OVER ({apart}) AS n FROM told WHERE v IS NOT NULL) "
        f"SELECT {shown} min(v) FROM ranked WHERE place >= ? * n {grouped}",
        (*source.bound, float(measure.q)),
    )


def _rank(measured: Measured) -> tuple[bool, float]:
    return (measured is None, -(measured or 0))
