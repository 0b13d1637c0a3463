"""Writing: what waits becomes one INSERT, and what is known already is found out before.

One store writes a database at a time; its rounds and its deletions come one after the other.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct, json

from switchgear.engines.clickhouse_spans.arriving import Stamps
from switchgear.engines.clickhouse_spans.circling import Begun, Key, circled_traces
from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.rows import INSERT, line_of, tombstone_of
from switchgear.engines.span_sql.dialect import Bound
from switchgear.kernel.span import Span

_CIRCLED: Final = "INSERT INTO circles (project, trace_id) FORMAT JSONEachRow"
_AT_ONCE: Final = 1000
"""Spans that are looked up by one statement."""
# Traces are looked for in their projection: most are new, and a span of one that is known is between these times.
_TRACES: Final = (
    "SELECT project, trace_id, min(started_ns), max(started_ns) FROM spans WHERE project IN {projects:Array(String)} "
    "AND trace_id IN {traces:Array(String)} GROUP BY project, trace_id"
)
_KNOWN: Final = (
    "SELECT project, trace_id, span_id, started_ns, version FROM spans FINAL WHERE project IN {projects:Array(String)} "
    "AND started_ns >= {first:Int64} AND started_ns <= {last:Int64} "
    "AND trace_id IN {traces:Array(String)} AND span_id IN {spans:Array(String)}"
)


class Batch(Struct, frozen=True):
    """What one caller wants written."""

    spans: Sequence[Span]
    replace: bool


class Place(Struct, frozen=True):
    """Where a span stands."""

    started_ns: int
    version: int


async def written(link: Link, batches: Sequence[Batch], stamps: Stamps) -> list[int]:
    """Write them in their order, all or none; how many spans of each were new. Raises OSError."""
    known, begun = await _known(link, sorted({_key(span) for batch in batches for span in batch.spans}))
    changed: dict[Key, Span] = {}
    counts: list[int] = []
    for batch in batches:
        new = 0
        for span in batch.spans:
            key = _key(span)
            is_known = key in known or key in changed
            if batch.replace or not is_known:
                changed[key] = span
            new += not is_known
        counts.append(new)
    if changed:
        circled = await circled_traces(link, changed, begun)
        if circled:
            lines = (json.encode({"project": project, "trace_id": trace_id}) for project, trace_id in sorted(circled))
            await link.insert(_CIRCLED, b"\n".join(lines))
        with stamps.given(len(changed)) as first_ns:
            await link.insert(INSERT, b"\n".join(_lines(changed, known, first_ns)))
    return counts


def _lines(changed: dict[Key, Span], known: dict[Key, Place], first_ns: int) -> Iterator[bytes]:
    for arrived_ns, (key, span) in enumerate(changed.items(), first_ns):
        before = known.get(key)
        version = 1 if before is None else before.version + 1
        yield line_of(span, version, arrived_ns)
        if before is not None and before.started_ns != span.started_ns:
            yield tombstone_of(span, before.started_ns, version)


async def _known(link: Link, keys: Sequence[Key]) -> tuple[dict[Key, Place], Begun]:
    """Spans and traces; also some that were not asked for: those of other combinations of the same ids."""
    known: dict[Key, Place] = {}
    traces_known: dict[tuple[str, str], tuple[int, int]] = {}
    for at in range(0, len(keys), _AT_ONCE):
        projects, traces, spans = (sorted(set(ids)) for ids in zip(*keys[at : at + _AT_ONCE], strict=True))
        begun = await link.rows(_TRACES, {"projects": projects, "traces": traces})
        if not begun:
            continue
        traces_known |= {(project, trace_id): (first, last) for project, trace_id, first, last in begun}
        projects, traces, firsts, lasts = (sorted(set(told)) for told in zip(*begun, strict=True))
        bound: dict[str, Bound] = {"projects": projects, "traces": traces, "spans": spans}
        for *key, started_ns, version in await link.rows(_KNOWN, {**bound, "first": firsts[0], "last": lasts[-1]}):
            known[key[0], key[1], key[2]] = Place(started_ns, version)
    return known, traces_known


def _key(span: Span) -> Key:
    return span.project, span.trace_id, span.span_id
