"""Aggregates: groups in the order of their first measure, then their buckets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from switchgear.engines.span_sql.circling import with_circles
from switchgear.engines.span_sql.columns import OPTIONAL
from switchgear.engines.span_sql.dialect import Asking, Source, Statement, Writing
from switchgear.engines.span_sql.filters import counts, value_of, within
from switchgear.kernel.query import FIELDS, Aggregate, Bucket, Group, Measure

BUCKET_NS: Final[Mapping[Bucket, int]] = {
    "minute": 60_000_000_000,
    "hour": 3_600_000_000_000,
    "day": 86_400_000_000_000,
}
Values = tuple[str | int | bool | None, ...]
_WITHOUT_FIELD: Final = {"count": "count(*)", "errors": "count(CASE WHEN failed THEN 1 END)"}


def aggregated(question: Aggregate, source: Source) -> Asking[list[Group]]:
    """The groups of a checked question."""
    if any(measure.field in OPTIONAL for measure in question.measures):
        source = yield from with_circles(question.window.project, source)
    if question.bucket is None:
        rows = yield _groups(question, question.measures, source)
        return [Group(values=_values(question, row), bucket_ns=None, measures=_measured(question, row)) for row in rows]
    places: dict[Values, int] = {(): 0}
    if question.by:
        ranked = yield _groups(question, question.measures[:1], source)
        places = {_values(question, row): place for place, row in enumerate(ranked)}
    rows = yield _buckets(question, source, ranked=len(places) >= question.limit)
    lines = [(places[values], row[-1], values, row) for row in rows if (values := _values(question, row)) in places]
    lines.sort(key=lambda line: line[:2])
    return [
        Group(values=values, bucket_ns=bucket_ns, measures=_measured(question, row))
        for _, bucket_ns, values, row in lines
    ]


def _groups(question: Aggregate, measures: Sequence[Measure], source: Source) -> Statement:
    """Groups with some measures, in their order."""
    writing = Writing(source)
    spans = _spans(writing, question, measures)
    keys = [f"k{place}" for place in range(len(question.by))]
    shown = ", ".join([*keys, *_reductions(writing, measures)])
    if not keys:
        return writing.finished(f"SELECT {shown} FROM ({spans}) AS told")
    return writing.finished(f"SELECT {shown} FROM ({spans}) AS told {_ranked(writing, question, keys)}")


def _buckets(question: Aggregate, source: Source, *, ranked: bool) -> Statement:
    """Each group's buckets; ``ranked``: of the groups that come first alone."""
    writing = Writing(source)
    spans = _spans(writing, question, question.measures)
    keys = [f"k{place}" for place in range(len(question.by))]
    size_ns = BUCKET_NS[question.bucket or "day"]
    # The remainder of a time before 1970 is negative.
    bucket = f"at_ns - (at_ns % {size_ns} + {size_ns}) % {size_ns}"
    condition = ""
    if ranked and keys:
        texts = _texts(writing, keys)
        first = f"SELECT {texts} FROM ({_spans(writing, question, question.measures[:1])}) AS told "
        condition = f" WHERE ({texts}) IN ({first}{_ranked(writing, question, keys)})"
    shown = ", ".join([*keys, *_reductions(writing, question.measures), f"{bucket} AS bucket_ns"])
    return writing.finished(
        f"SELECT {shown} FROM ({spans}) AS told{condition} GROUP BY {', '.join([*keys, 'bucket_ns'])}"
    )


def _spans(writing: Writing, question: Aggregate, measures: Sequence[Measure]) -> str:
    """Spans that fit: groups as ``k0``..., what is measured as ``v0``... (NULL where nothing is), and their start."""
    window = question.window
    shown = [f"{value_of(name)} AS k{place}" for place, name in enumerate(question.by)]
    shown += ["started_ns AS at_ns", "status = 'error' AS failed"]
    paid = counts(writing, window.project) if any(measure.field in OPTIONAL for measure in measures) else ""
    for place, measure in enumerate(measures):
        if measure.field:
            shown.append(f"{writing.dialect.optional(_told(measure.field, paid))} AS v{place}")
    return f"SELECT {', '.join(shown)} FROM {writing.relation} WHERE {within(writing, window, question.where)}"


def _told(name: str, paid: str) -> str:
    """What measures see of a field."""
    if name in OPTIONAL:
        return f"CASE WHEN {paid} THEN {name} END"
    return "nullif(first_token_ns, 0)" if name == "first_token_ns" else value_of(name)


def _reductions(writing: Writing, measures: Sequence[Measure]) -> Iterator[str]:
    """One column for each measure, two for a mean."""
    for place, measure in enumerate(measures):
        if measure.reduction == "mean":
            # The quotient of two whole numbers is ours to make.
            yield writing.dialect.sum(f"v{place}")
            yield f"count(v{place})"
        else:
            yield _reduction(writing, measure, f"v{place}")


def _reduction(writing: Writing, measure: Measure, value: str) -> str:
    match measure.reduction:
        case "count" | "errors":
            return _WITHOUT_FIELD[measure.reduction]
        case "distinct":
            return f"count(DISTINCT {value})"
        case "sum":
            return writing.dialect.sum(value)
        case "quantile":
            return writing.dialect.quantile(measure, value, writing.bind(float(measure.q)))
        case "mean":
            return f"{writing.dialect.sum(value)} / nullif(count({value}), 0)"
        case _:
            return f"{measure.reduction}({value})"


def _ranked(writing: Writing, question: Aggregate, keys: Sequence[str]) -> str:
    rank = _reduction(writing, question.measures[0], "v0")
    order = _texts(writing, keys)
    return f"GROUP BY {', '.join(keys)} ORDER BY {rank} DESC NULLS LAST, {order} LIMIT {question.limit}"


def _texts(writing: Writing, keys: Sequence[str]) -> str:
    """Groups as texts, which can be compared where values may be NULL: no other value's text is empty."""
    return ", ".join(writing.dialect.text_of(key) for key in keys)


def _values(question: Aggregate, row: Sequence[Any]) -> Values:
    by = question.by
    return tuple(
        bool(value) if FIELDS[name] == "boolean" else value for name, value in zip(by, row[: len(by)], strict=True)
    )


def _measured(question: Aggregate, row: Sequence[Any]) -> tuple[int | float | None, ...]:
    measured: list[int | float | None] = []
    columns = iter(row[len(question.by) :])
    for measure in question.measures:
        value = next(columns)
        if measure.reduction == "mean":
            count = next(columns)
            measured.append(int(value) / count if count else None)
        else:
            measured.append(value)
    return tuple(measured)
