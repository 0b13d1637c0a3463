"""Pages of spans and traces. A page's keys are found first; only then is anything read that is shown of them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from switchgear.engines.span_sql.dialect import Asking, Rows, Source, Statement, Writing
from switchgear.engines.span_sql.filters import counts, value_of, within
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import FIELDS, Find, Found, SpanRow, TraceRow

PORTION: Final = 1000
"""Ids that are bound in one statement, at most."""
_SHOWN: Final = tuple(name for name in SpanRow.__struct_fields__ if name != "child_count")
_PLACE: Final = ("(parent_id <> '')", "started_ns", "span_id")
"""Which span of a trace is the first."""
_CARRIED: Final = ("trace_name", "user", "session", "environment", "release")
_SUMMED: Final = ("input_tokens", "output_tokens", "cost_nano_usd")
_Item = TypeVar("_Item")


def found(question: Find, source: Source) -> Asking[Found]:
    """The page of a checked question. Raises BadRequest for a cursor that is none."""
    return _traces(question, source) if question.of == "traces" else _spans(question, source)


def _spans(question: Find, source: Source) -> Asking[Found]:
    rows = yield _span_page(question, source)
    more, rows = len(rows) > question.limit, rows[: question.limit]
    children: dict[tuple[str, str], int] = {}
    for some in _portions(rows):
        counted = yield _child_counts(question.window.project, some, source)
        children |= {(trace_id, parent_id): count for trace_id, parent_id, count in counted}
    spans = tuple(_span_row(row, children) for row in rows)
    last = spans[-1] if more else None
    return Found(spans=spans, after="" if last is None else f"{last.started_ns}.{last.trace_id}.{last.span_id}")


def _span_page(question: Find, source: Source) -> Statement:
    writing = Writing(source)
    condition = within(writing, question.window, question.where)
    down = "DESC" if question.newest_first else "ASC"
    if question.after:
        less = "<" if question.newest_first else ">"
        started_ns, *ids = (writing.bind(part) for part in _place(question.after, 3))
        place = ", ".join((started_ns, *ids))
        condition += f" AND started_ns {less}= {started_ns} AND (started_ns, trace_id, span_id) {less} ({place})"
    shown = ", ".join(value_of(name) if name in FIELDS else name for name in _SHOWN)
    return writing.finished(
        f"SELECT {shown} FROM {source.relation} WHERE {condition} "
        f"ORDER BY started_ns {down}, trace_id {down}, span_id {down} LIMIT {question.limit + 1}"
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


def _traces(question: Find, source: Source) -> Asking[Found]:
    rows = yield _trace_page(question, source)
    more, rows = len(rows) > question.limit, rows[: question.limit]
    shown: dict[str, TraceRow] = {}
    for some in _portions(rows):
        told = yield _trace_rows(question.window.project, [row[0] for row in some], source)
        shown |= {row[0]: _trace_row(row) for row in told}
    # One that was deleted meanwhile is not there.
    traces = tuple(shown[row[0]] for row in rows if row[0] in shown)
    return Found(traces=traces, after=f"{rows[-1][1]}.{rows[-1][0]}" if more else "")


def _trace_page(question: Find, source: Source) -> Statement:
    writing = Writing(source)
    fitting = f"SELECT trace_id FROM {source.relation} WHERE {within(writing, question.window, question.where)}"
    down = "DESC" if question.newest_first else "ASC"
    having = ""
    if question.after:
        less = "<" if question.newest_first else ">"
        place = ", ".join(writing.bind(part) for part in _place(question.after, 2))
        having = f" HAVING (min(started_ns), trace_id) {less} ({place})"
    return writing.finished(
        f"SELECT trace_id, min(started_ns) AS began_ns FROM {source.relation} "
        f"WHERE project = {writing.bind(question.window.project)} AND trace_id IN ({fitting}) "
        f"GROUP BY trace_id{having} ORDER BY began_ns {down}, trace_id {down} LIMIT {question.limit + 1}"
    )


def _trace_rows(project: str, trace_ids: list[str], source: Source) -> Statement:
    writing, dialect = Writing(source), source.dialect
    among = dialect.is_any_of("trace_id", writing.bind(trace_ids))
    spans = (
        f"SELECT *, {counts(writing, project, among)} AS counts FROM {source.relation} "
        f"WHERE project = {writing.bind(project)} AND {among}"
    )
    shown = (
        "trace_id",
        "min(started_ns)",
        "max(ended_ns)",
        "count(*)",
        _count_of("status = 'error'"),
        *(dialect.first(f'"{name}"', f"\"{name}\" <> ''", _PLACE) for name in _CARRIED),
        *(dialect.first(f'"{name}"', "TRUE", _PLACE) for name in ("name", "status", "input_preview", "output_preview")),
        dialect.texts_in("tags"),
        dialect.texts('"model"'),
        *(dialect.sum(f"CASE WHEN counts THEN {name} END") for name in _SUMMED),
        _count_of("counts AND cost_source = 'unknown'"),
    )
    return writing.finished(f"SELECT {', '.join(shown)} FROM ({spans}) AS told GROUP BY trace_id")


def _count_of(condition: str) -> str:
    return f"count(CASE WHEN {condition} THEN 1 END)"


def _trace_row(row: Sequence[Any]) -> TraceRow:
    trace_id, started_ns, ended_ns, span_count, error_count = row[:5]
    trace_name, user, session, environment, release = (text or "" for text in row[5:10])
    name, status, input_preview, output_preview, tags, models = row[10:16]
    input_tokens, output_tokens, cost_nano_usd = (int(number or 0) for number in row[16:19])
    return TraceRow(
        trace_id=trace_id,
        name=trace_name or name,
        started_ns=started_ns,
        ended_ns=ended_ns,
        span_count=span_count,
        error_count=error_count,
        status=status,
        user=user,
        session=session,
        environment=environment,
        release=release,
        tags=tuple(sorted(tags)),
        models=tuple(sorted(model for model in models if model)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_nano_usd=cost_nano_usd,
        unpriced_count=row[19],
        input_preview=input_preview,
        output_preview=output_preview,
    )


def _portions(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for at in range(0, len(items), PORTION):
        yield items[at : at + PORTION]


def _place(cursor: str, parts: int) -> tuple[int, *tuple[str, ...]]:
    """Raises BadRequest."""
    told = cursor.split(".")
    try:
        started_ns = int(told[0])
    except ValueError:
        started_ns = 2**63
    if len(told) != parts or abs(started_ns) >= 2**63:
        raise BadRequest("the cursor is none that a page gave: begin without one", param="after")
    return (started_ns, *told[1:])
