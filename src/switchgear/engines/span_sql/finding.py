"""Pages of spans. A page's keys are found first; only then is anything read that is shown of them."""

from collections.abc import Sequence
from typing import Any, Final

from switchgear.engines.span_sql.dialect import Asking, Rows, Source, Statement, Writing
from switchgear.engines.span_sql.filters import value_of, within
from switchgear.engines.span_sql.pages import Place, behind, ordered, place_in, portions
from switchgear.engines.span_sql.trace_finding import found_traces
from switchgear.kernel.query import FIELDS, Find, Found, SpanRow

_SHOWN: Final = tuple(name for name in SpanRow.__struct_fields__ if name != "child_count")
_KEY: Final = ("started_ns", "trace_id", "span_id")
_PLACES_OF_KEY: Final = tuple(_SHOWN.index(name) for name in _KEY)


def found(question: Find, source: Source) -> Asking[Found]:
    """The page of a checked question. Raises BadRequest for a cursor that is none."""
    return found_traces(question, source) if question.of == "traces" else _spans(question, source)


def _spans(question: Find, source: Source) -> Asking[Found]:
    rows: list[Sequence[Any]] = []
    after = place_in(question.after, 3)
    for looked_in in source.passes():
        found_rows = yield _keys(question, looked_in, after)
        # Where a span stands says whether the window has it, all else hangs on the row.
        may_differ = looked_in != source and question.where is not None
        rows += yield from _shown(question.window.project, found_rows, source, may_differ=may_differ)
        if len(found_rows) <= question.limit or len(rows) > question.limit:
            break
        # Some of what was found was replaced since: the rest is looked for among what is.
        after = tuple(found_rows[-1][: len(_KEY)])
    more, rows = len(rows) > question.limit, rows[: question.limit]
    children: dict[tuple[str, str], int] = {}
    for some in portions(rows):
        counted = yield _child_counts(question.window.project, some, source)
        children |= {(trace_id, parent_id): count for trace_id, parent_id, count in counted}
    spans = tuple(_span_row(row[: len(_SHOWN)], children) for row in rows)
    last = spans[-1] if more else None
    return Found(spans=spans, after="" if last is None else f"{last.started_ns}.{last.trace_id}.{last.span_id}")


def _keys(question: Find, source: Source, after: Place | None) -> Statement:
    writing, newest_first = Writing(source), question.newest_first
    condition = within(writing, question.window, question.where)
    condition += behind(writing, _KEY, after, newest_first=newest_first)
    return writing.finished(
        f"SELECT {', '.join((*_KEY, source.version or '0'))} FROM {source.relation} WHERE {condition} "
        f"{ordered(_KEY, newest_first=newest_first)} LIMIT {question.limit + 1}"
    )


def _shown(project: str, found_rows: Rows, source: Source, *, may_differ: bool) -> Asking[list[Sequence[Any]]]:
    """What is shown of spans, each once; with ``may_differ`` of those whose row is one that was found."""
    versions: dict[tuple[Any, ...], set[int]] = {}
    for *key, version in found_rows:
        versions.setdefault(tuple(key), set()).add(version)
    told: dict[tuple[Any, ...], Sequence[Any]] = {}
    for some in portions(list(versions)):
        for row in (yield _rows_of(project, some, source)):
            key = tuple(row[place] for place in _PLACES_OF_KEY)
            if key in versions and (not may_differ or row[-1] in versions[key]):
                told[key] = row
    return [told[key] for key in versions if key in told]


def _rows_of(project: str, keys: Sequence[tuple[Any, ...]], source: Source) -> Statement:
    """Rows with their versions, those of the keys among them."""
    writing, any_of = Writing(source), source.dialect.is_any_of
    starts, traces, spans = (sorted(set(parts)) for parts in zip(*keys, strict=True))
    shown = ", ".join(value_of(name) if name in FIELDS else name for name in _SHOWN)
    return writing.finished(
        f"SELECT {shown}, {source.version or '0'} FROM {source.relation} WHERE project = {writing.bind(project)} "
        f"AND started_ns >= {writing.bind(starts[0])} AND started_ns <= {writing.bind(starts[-1])} "
        f"AND {any_of('trace_id', writing.bind(traces))} AND {any_of('span_id', writing.bind(spans))}"
    )


def _child_counts(project: str, rows: Rows, source: Source) -> Statement:
    writing = Writing(source)
    any_of = source.dialect.is_any_of
    traces, spans = (writing.bind(sorted({row[place] for row in rows})) for place in (0, 1))
    return writing.finished(
        f"SELECT trace_id, parent_id, count(*) FROM {source.relation} WHERE project = {writing.bind(project)} "
        f"AND {any_of('trace_id', traces)} AND {any_of('parent_id', spans)} GROUP BY trace_id, parent_id"
    )


def _span_row(row: Sequence[Any], children: dict[tuple[str, str], int]) -> SpanRow:
    told: dict[str, Any] = dict(zip(_SHOWN, row, strict=True))
    told["counted"] = bool(told["counted"])
    told["tags"] = tuple(told["tags"])
    return SpanRow(child_count=children.get((told["trace_id"], told["span_id"]), 0), **told)
