"""Deleting whole traces, some at a time, by lightweight DELETE: rows vanish at once, their bytes when parts merge."""

from collections.abc import Iterator, Sequence
from typing import Final

from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.span_sql.dialect import Bound
from switchgear.kernel.query import Doomed

AT_ONCE: Final = 1000
_OF_TRACES: Final = "project = {project:String} AND trace_id IN {traces:Array(String)}"
_OF_USER: Final = (
    'SELECT DISTINCT trace_id FROM spans FINAL WHERE project = {project:String} AND "user" = {user:String} '
    f"LIMIT {AT_ONCE}"
)
_OF_AGE: Final = (
    "SELECT trace_id FROM spans FINAL WHERE project = {project:String} AND trace_id IN (SELECT trace_id FROM spans "
    "WHERE project = {project:String} AND started_ns < {before:Int64}) GROUP BY trace_id "
    f"HAVING max(ended_ns) < {{before:Int64}} LIMIT {AT_ONCE}"
)


async def some_deleted(link: Link, doomed: Doomed) -> int:
    """Delete some of the traces that are not named; how many spans, 0 when there are no more. Raises OSError."""
    bound: dict[str, Bound] = {"project": doomed.project}
    if doomed.user:
        rows = await link.rows(_OF_USER, {**bound, "user": doomed.user})
    elif doomed.before_ns:
        rows = await link.rows(_OF_AGE, {**bound, "before": doomed.before_ns})
    else:
        return 0
    return await traces_deleted(link, doomed.project, [row[0] for row in rows])


async def traces_deleted(link: Link, project: str, trace_ids: Sequence[str]) -> int:
    """Delete traces; how many spans. Raises OSError."""
    if not trace_ids:
        return 0
    bound: dict[str, Bound] = {"project": project, "traces": list(trace_ids)}
    ((count,),) = await link.rows(f"SELECT count() FROM spans FINAL WHERE {_OF_TRACES}", bound)
    if count:
        await link.rows(f"DELETE FROM spans WHERE {_OF_TRACES}", bound)
        ((circles,),) = await link.rows(f"SELECT count() FROM circles WHERE {_OF_TRACES}", bound)
        if circles:
            await link.rows(f"DELETE FROM circles WHERE {_OF_TRACES}", bound)
    return int(count)


def portions(trace_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as are deleted at once."""
    for at in range(0, len(trace_ids), AT_ONCE):
        yield trace_ids[at : at + AT_ONCE]
