"""Aggregates from rollups, where these tell the same as the spans do: whole minutes, and nothing that they lack."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from switchgear.engines.sqlite_spans.measuring import BUCKET_NS, Measured, Table, Value, arranged, typed_values
from switchgear.engines.sqlite_spans.questions import Bound, Condition, condition_of, value_of
from switchgear.engines.sqlite_spans.rollups import GRAINS_NS, SERIES
from switchgear.engines.sqlite_spans.sketch import quantiles
from switchgear.kernel.query import (
    Aggregate,
    Bucket,
    Compare,
    Either,
    Every,
    Filter,
    Group,
    Measure,
    Not,
    OneOf,
    StartsWith,
    Window,
)

_TOLD: Final[Mapping[str, str]] = {
    "input_tokens": "told_usage",
    "output_tokens": "told_usage",
    "cost_nano_usd": "priced",
    "duration_ns": "spans",
    "first_token_ns": "told_first_token",
}
"""Fields that rollups have sums of, with how many spans told them."""
_SKETCHES: Final[Mapping[str, str]] = {"duration_ns": "duration_sketch", "first_token_ns": "first_token_sketch"}
_ADDED_UP: Final = frozenset(("count", "errors", "sum"))
"""Reductions of which a group's is the sum of its buckets'."""
# Conditions expect NULL for an empty text, as table ``spans`` has it.
_SERIES: Final = f"(SELECT id, {', '.join(f'''nullif({name}, '') AS {name}''' for name in SERIES)} FROM series)"


def can_be_rolled(question: Aggregate) -> bool:
    """Whether rollups hold the answer."""
    window = question.window
    aligned = window.since_ns % GRAINS_NS[0] == 0 and window.until_ns % GRAINS_NS[0] == 0
    return (
        aligned
        and window.since_ns < window.until_ns
        and all(name in SERIES for name in question.by)
        and (question.where is None or _is_of_series(question.where))
        and all(_is_rolled(measure) for measure in question.measures)
    )


def rolled(connection: sqlite3.Connection, question: Aggregate) -> list[Group]:
    """The groups of a question that can be rolled."""
    table = _table(connection, question)
    return arranged(question, table, _ranks(connection, question, table))


def _ranks(connection: sqlite3.Connection, question: Aggregate, table: Table) -> dict[tuple[Value, ...], Measured]:
    """The first measure of each group over all its buckets."""
    first = question.measures[0]
    if question.bucket is not None and first.reduction not in _ADDED_UP:
        question = structs.replace(question, bucket=None, measures=(first,))
        table = _table(connection, question)
    ranks: dict[tuple[Value, ...], Measured] = {}
    for (values, _), measures in table.items():
        before, measured = ranks.get(values), measures[0]
        ranks[values] = measured if before is None else before + (measured or 0)
    return ranks


def pieces(window: Window, bucket: Bucket | None) -> Iterator[tuple[int, int, int]]:
    """A window as grains with their since and until: the largest grain in the middle, smaller ones at the edges."""
    largest = len(GRAINS_NS) - 1 if bucket is None else list(BUCKET_NS).index(bucket)
    yield from _pieces(window.since_ns, window.until_ns, largest)


def _pieces(since_ns: int, until_ns: int, grain: int) -> Iterator[tuple[int, int, int]]:
    size_ns = GRAINS_NS[grain]
    if grain == 0:
        if since_ns < until_ns:
            yield 0, since_ns, until_ns
        return
    first_ns, last_ns = -(-since_ns // size_ns) * size_ns, until_ns // size_ns * size_ns
    if first_ns >= last_ns:
        yield from _pieces(since_ns, until_ns, grain - 1)
        return
    yield from _pieces(since_ns, first_ns, grain - 1)
    yield grain, first_ns, last_ns
    yield from _pieces(last_ns, until_ns, grain - 1)


def _table(connection: sqlite3.Connection, question: Aggregate) -> Table:
    condition = _condition(question)
    keys = [value_of(name) for name in question.by]
    if question.bucket is not None:
        keys.append(f"r.start_ns - r.start_ns % {BUCKET_NS[question.bucket]}")
    sums = [sql for measure in question.measures for sql in _reduced(measure)]
    grouped = f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}" if keys else ""
    found = connection.execute(
        f"SELECT {', '.join([*keys, *sums, 'coalesce(sum(r.spans), 0)'])} "
        f"FROM rollups r JOIN {_SERIES} s ON s.id = r.series WHERE {condition.sql}{grouped}",
        condition.bound,
    )
    # What was taken out again leaves a row of noughts.
    rows = [row for row in found if row[-1] > 0 or not keys]
    columns = list(zip(*rows, strict=True))
    measured = list(_measures(question, columns[len(keys) :])) if rows else []
    table: Table = {}
    for row, measures in zip(rows, zip(*measured, strict=True), strict=True):
        bucket_ns = None if question.bucket is None else row[len(question.by)]
        table[typed_values(question.by, row), bucket_ns] = list(measures)
    return table


def _condition(question: Aggregate) -> Condition:
    ranges: list[str] = []
    bound: list[Bound] = [question.window.project]
    for grain, since_ns, until_ns in pieces(question.window, question.bucket):
        ranges.append("(r.grain = ? AND r.start_ns >= ? AND r.start_ns < ?)")
        bound += [grain, since_ns, until_ns]
    sql = f"r.project = (SELECT p.id FROM projects p WHERE p.name = ?) AND ({' OR '.join(ranges)})"
    if question.where is None:
        return Condition(sql, bound)
    condition = condition_of(question.where, question.window.project)
    return Condition(f"{sql} AND {condition.sql}", [*bound, *condition.bound])


def _reduced(measure: Measure) -> list[str]:
    """The SQL of a measure: one column, two of a sum, a mean."""
    if measure.reduction == "count":
        return ["coalesce(sum(r.spans), 0)"]
    if measure.reduction == "errors":
        return ["coalesce(sum(CASE WHEN s.status = 'error' THEN r.spans ELSE 0 END), 0)"]
    if measure.reduction == "quantile":
        return [f"coalesce(joined(r.{_SKETCHES[measure.field]}), x'')"]
    return [f"sum(r.{measure.field})", f"coalesce(sum(r.{_TOLD[measure.field]}), 0)"]


def _measures(question: Aggregate, columns: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[Measured]]:
    """Each measure of all groups."""
    at = 0
    for measure in question.measures:
        if measure.reduction == "quantile":
            yield quantiles(columns[at], measure.q)
        elif measure.reduction in {"count", "errors"}:
            yield columns[at]
        else:
            sums = zip(columns[at], columns[at + 1], strict=True)
            is_mean = measure.reduction == "mean"
            yield [None if not told else total / told if is_mean else total for total, told in sums]
        at += len(_reduced(measure))


def _is_rolled(measure: Measure) -> bool:
    if measure.reduction in {"count", "errors"}:
        return True
    if measure.reduction in {"sum", "mean"}:
        return measure.field in _TOLD
    return measure.reduction == "quantile" and measure.approximate and measure.field in _SKETCHES


def _is_of_series(where: Filter) -> bool:
    match where:
        case Compare() | OneOf() | StartsWith():
            return where.field in SERIES
        case Every() | Either():
            return all(_is_of_series(each) for each in where.filters)
        case Not():
            return _is_of_series(where.filter)
        case _:
            return False
