"""Traces in which parents of calls go in a circle, found when the span that closes it is written.

A circle has one among what is written that is above a call and below another. Only of such spans the way upwards is
followed, and only where the trace was known before are its spans looked up.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.span_sql.filters import TELLS
from switchgear.kernel.span import Span
from switchgear.kernel.span_sums import circles, tells_usage

_AT_ONCE: Final = 1000
_AMONG: Final = (
    "SELECT project, trace_id, span_id, parent_id, kind FROM spans FINAL WHERE project IN {projects:Array(String)} "
    "AND started_ns >= {first:Int64} AND started_ns <= {last:Int64} AND trace_id IN {traces:Array(String)} "
    "AND (span_id IN {above:Array(String)} OR parent_id IN {own:Array(String)}) "
    f"AND {TELLS} AND parent_id <> '' AND parent_id <> span_id"
)
Key = tuple[str, str, str]
"""Of a span: its project, its trace's id, and its own."""
Begun = Mapping[tuple[str, str], tuple[int, int]]
"""Traces that are known, by project and id: between which starts their spans are."""


class _Call(NamedTuple):
    """A call below another span."""

    parent_id: str
    kind: str


async def circled_traces(link: Link, changed: Mapping[Key, Span], begun: Begun) -> set[tuple[str, str]]:
    """Projects and ids of traces with a circle that is closed by what is about to be written. Raises OSError."""
    calls = {key: _call_of(span) for key, span in changed.items()}
    fresh = [key for key, call in calls.items() if call is not None]
    await _look_up(link, calls, [key for key in fresh if key[:2] in begun], begun)
    outdone = {over for key in calls if (over := _above(calls, key)) is not None}
    suspects = [key for key in fresh if key in outdone]
    while True:
        unknown: list[Key] = []

        def above(key: Key, unknown: list[Key] = unknown) -> Key | None:
            call = calls[key]
            if call is not None and (*key[:2], call.parent_id) not in calls and key[:2] in begun:
                unknown.append(key)
            return _above(calls, key)

        found = list(circles(suspects, above))
        if not unknown:
            return {(circle[0][0], circle[0][1]) for circle in found}
        await _look_up(link, calls, unknown, begun)


def _call_of(span: Span) -> _Call | None:
    if not span.parent_id or span.parent_id == span.span_id or not tells_usage(span):
        return None
    return _Call(span.parent_id, span.kind)


def _above(calls: Mapping[Key, _Call | None], key: Key) -> Key | None:
    """The call that it outdoes, as far as is known."""
    call = calls[key]
    if call is None:
        return None
    parent = calls.get(over := (*key[:2], call.parent_id))
    return over if parent is not None and parent.kind == call.kind else None


async def _look_up(link: Link, calls: dict[Key, _Call | None], keys: Sequence[Key], begun: Begun) -> None:
    """Learn of the spans above some calls, and of the calls below them; what is to be changed is known already."""
    for at in range(0, len(keys), _AT_ONCE):
        some = keys[at : at + _AT_ONCE]
        parents = [(*key[:2], call.parent_id) for key in some if (call := calls[key]) is not None]
        projects, traces, own = (_different(key[place] for key in some) for place in range(3))
        firsts, lasts = zip(*(begun[key[:2]] for key in some), strict=True)
        above = _different(key[2] for key in parents)
        bound = {"projects": projects, "traces": traces, "own": own, "above": above}
        rows = await link.rows(_AMONG, {**bound, "first": min(firsts), "last": max(lasts)})
        for project, trace_id, span_id, parent_id, kind in rows:
            calls.setdefault((project, trace_id, span_id), _Call(parent_id, kind))
        for parent in parents:
            calls.setdefault(parent, None)


def _different(ids: Iterable[str]) -> list[str]:
    return sorted(set(ids))
