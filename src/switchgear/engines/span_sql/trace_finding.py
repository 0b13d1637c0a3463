"""Pages of traces: where each stands is found first, from times alone; then what is shown of those on the page."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from switchgear.engines.span_sql.circling import with_circles
from switchgear.engines.span_sql.dialect import Asking, Source, Statement, Writing
from switchgear.engines.span_sql.filters import counts, within
from switchgear.engines.span_sql.pages import Place, behind, ordered, place_in, portions
from switchgear.kernel.query import Find, Found, TraceRow, Window

_KEY: Final = ("began_ns", "trace_id")
_PLACE: Final = "((parent_id <> ''), started_ns, span_id) AS place"
"""The first span of a trace has the first."""
_CARRIED: Final = ("trace_name", "user", "session", "environment", "release")
_SUMMED: Final = ("input_tokens", "output_tokens", "cost_nano_usd")
_OF_FIRST: Final = ("name", "status", "input_preview", "output_preview")
_READ: Final = (
    "trace_id", "span_id", "parent_id", "started_ns", "ended_ns", "tags", "model", "cost_source",
    *_CARRIED, *_OF_FIRST, *_SUMMED,
)  # fmt: skip


class _Stand(Struct, frozen=True):
    """A trace between the first and the last start of its spans."""

    began_ns: int
    trace_id: str
    latest_ns: int

    def touches_for_sure(self, window: Window) -> bool:
        """Whether one of the two is in the window."""
        return any(window.since_ns <= at_ns < window.until_ns for at_ns in (self.began_ns, self.latest_ns))


def found_traces(question: Find, source: Source) -> Asking[Found]:
    """The page of a checked question. Raises BadRequest for a cursor that is none."""
    stands: list[_Stand] = []
    after = place_in(question.after, 2)
    may_differ = False
    if source.written:
        ((replaced, moved),) = yield _replaced(question.window.project, source)
        may_differ = bool(replaced)
        source = source if moved else replace(source, moved="")
    for looked_in in source.passes():
        rows = yield _page(question, source, looked_in, after)
        seen = [_Stand(*row) for row in rows]
        is_sure = looked_in == source or (question.where is not None and not may_differ)
        stands += seen if is_sure else (yield from _fitting(question, seen, source))
        if len(seen) <= question.limit or len(stands) > question.limit:
            break
        # Some of what was found was replaced since: the rest is looked for among what is.
        after = (seen[-1].began_ns, seen[-1].trace_id)
    more, stands = len(stands) > question.limit, stands[: question.limit]
    shown: dict[str, TraceRow] = {}
    if stands:
        source = yield from with_circles(question.window.project, source)
    for some in portions(stands):
        told = yield _trace_rows(question.window.project, some, source)
        shown |= {row[0]: _trace_row(row) for row in told}
    # One that was deleted meanwhile is not there.
    traces = tuple(shown[stand.trace_id] for stand in stands if stand.trace_id in shown)
    return Found(traces=traces, after=f"{stands[-1].began_ns}.{stands[-1].trace_id}" if more else "")


def _replaced(project: str, source: Source) -> Statement:
    """How many rows took another's place, and how many say that a span moved."""
    writing = Writing(source)
    return writing.finished(
        f"SELECT count(*), {_count_of(source.moved)} FROM {source.written} "
        f"WHERE project = {writing.bind(project)} AND {source.version} > 1"
    )


def _page(question: Find, source: Source, looked_in: Source, after: Place | None) -> Statement:
    """Where traces stand, some too many where ``looked_in`` is what was written."""
    writing, window, newest_first = Writing(source), question.window, question.newest_first
    among, touching = "", "TRUE"
    if question.where is None and looked_in != source:
        touching = f"began_ns < {writing.bind(window.until_ns)} AND latest_ns >= {writing.bind(window.since_ns)}"
    else:
        fitting = within(writing, window, question.where)
        among = f" AND trace_id IN (SELECT trace_id FROM {looked_in.relation} WHERE {fitting})"
    touching += behind(writing, _KEY, after, newest_first=newest_first)
    return writing.finished(
        f"SELECT began_ns, trace_id, latest_ns FROM ({_stands(writing, source, window.project, among)}) AS placed "
        f"WHERE {touching} {ordered(_KEY, newest_first=newest_first)} LIMIT {question.limit + 1}"
    )


def _stands(writing: Writing, source: Source, project: str, among: str) -> str:
    """Each trace's place, from what was written where none of its spans stood elsewhere."""
    shown = "SELECT trace_id, min(started_ns) AS began_ns, max(started_ns) AS latest_ns FROM"
    ours = f"WHERE project = {writing.bind(project)}{among}"
    if not source.moved:
        return f"{shown} {source.written or source.relation} {ours} GROUP BY trace_id"
    moved = f"(SELECT trace_id FROM {source.written} WHERE project = {writing.bind(project)} AND {source.moved})"
    return (
        f"{shown} {source.written} {ours} AND trace_id NOT IN {moved} GROUP BY trace_id UNION ALL "
        f"{shown} {source.relation} {ours} AND trace_id IN {moved} GROUP BY trace_id"
    )


def _fitting(question: Find, stands: Sequence[_Stand], source: Source) -> Asking[list[_Stand]]:
    """Those with a span that fits as it is now."""
    window = question.window
    sure = {stand.trace_id for stand in stands if question.where is None and stand.touches_for_sure(window)}
    for some in portions([stand for stand in stands if stand.trace_id not in sure]):
        writing = Writing(source)
        fits = f"{within(writing, window, question.where)} AND {_among(writing, some)}"
        rows = yield writing.finished(f"SELECT DISTINCT trace_id FROM {source.relation} WHERE {fits}")
        sure |= {trace_id for (trace_id,) in rows}
    return [stand for stand in stands if stand.trace_id in sure]


def _among(writing: Writing, stands: Sequence[_Stand]) -> str:
    """The spans of traces, and the times in which they are."""
    first_ns, last_ns = min(stand.began_ns for stand in stands), max(stand.latest_ns for stand in stands)
    traces = writing.bind([stand.trace_id for stand in stands])
    return (
        f"started_ns >= {writing.bind(first_ns)} AND started_ns <= {writing.bind(last_ns)} "
        f"AND {writing.dialect.is_any_of('trace_id', traces)}"
    )


def _trace_rows(project: str, stands: Sequence[_Stand], source: Source) -> Statement:
    writing, dialect = Writing(source), source.dialect
    among = _among(writing, stands)
    spans = (
        f"SELECT {_quoted(_READ)}, {_PLACE}, {counts(writing, project, among)} AS counts FROM {source.relation} "
        f"WHERE project = {writing.bind(project)} AND {among}"
    )
    shown = (
        "trace_id",
        "min(started_ns)",
        "max(ended_ns)",
        "count(*)",
        _count_of("status = 'error'"),
        *(dialect.first(f'"{name}"', f"\"{name}\" <> ''", ("place",)) for name in _CARRIED),
        *(dialect.first(f'"{name}"', "TRUE", ("place",)) for name in _OF_FIRST),
        dialect.texts_in("tags"),
        dialect.texts('"model"'),
        *(dialect.sum(f"CASE WHEN counts THEN {name} END") for name in _SUMMED),
        _count_of("counts AND cost_source = 'unknown'"),
    )
    return writing.finished(f"SELECT {', '.join(shown)} FROM ({spans}) AS told GROUP BY trace_id")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


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
