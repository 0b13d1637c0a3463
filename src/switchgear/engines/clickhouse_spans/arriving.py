"""Spans in the order in which they arrived: by the time of their INSERT, which the writer gives.

A position is a time in nanoseconds. What was written within the last two seconds is not told of yet, nor what comes
behind an INSERT that is under way: so a row that another process stamped earlier, and that is seen later, is not passed
over, as long as its INSERT took no longer than that and the machines' clocks are about as close to each other.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.rows import span_of
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Arrived

LAG_NS: Final = 2_000_000_000
# Rows of the same time belong together: where to go on could not tell them apart.
_NEXT: Final = (
    "SELECT arrived, whole_bytes FROM spans WHERE arrived > {after:UInt64} AND arrived <= {newest:UInt64} "
    "ORDER BY arrived LIMIT {most:UInt64} WITH TIES"
)
# A row that was replaced since is not one of FINAL: the other has arrived, too.
_SPANS: Final = (
    "SELECT base64Encode(whole) FROM spans FINAL WHERE arrived > {after:UInt64} AND arrived <= {last:UInt64} "
    "ORDER BY arrived, project, trace_id, span_id"
)
_BEHIND: Final = "SELECT count() FROM spans WHERE arrived > {last:UInt64} AND arrived <= {newest:UInt64}"


class Stamps:
    """Gives spans their times of arrival, each another one, and none that is not later than all before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_ns = 0
        self._under_way: list[int] = []

    @contextmanager
    def given(self, count: int) -> Generator[int]:
        """The first of so many, for an INSERT that is under way within."""
        first_ns = max(self._clock.wall_ns(), self._next_ns)
        self._next_ns = first_ns + count
        self._under_way.append(first_ns)
        try:
            yield first_ns
        finally:
            self._under_way.remove(first_ns)

    def newest_ns(self) -> int:
        """The last time of which all is known to be there."""
        under_way = [first_ns - 1 for first_ns in self._under_way]
        return max(min([self._clock.wall_ns() - LAG_NS, *under_way]), 0)


async def arrived_spans(link: Link, newest: int, after: int, most: int, most_bytes: int) -> Arrived:
    """Those behind a position and up to ``newest``, within both bounds, but at least one. Raises OSError."""
    after = min(after, newest)
    rows = await link.rows(_NEXT, {"after": after, "newest": newest, "most": most}) if most else ()
    if not rows:
        return Arrived(position=after, newest=newest)
    last = _last_within(rows, most_bytes)
    bound = {"after": after, "last": last, "newest": newest}
    spans = await link.rows(_SPANS, bound)
    behind = 0
    if last < rows[-1][0] or len(rows) >= most:
        ((behind,),) = await link.rows(_BEHIND, bound)
    return Arrived(spans=tuple(span_of(whole) for (whole,) in spans), position=last, newest=newest, behind=behind)


def _last_within(rows: Any, most_bytes: int) -> int:
    """The last time whose rows have room, the first one's in any case."""
    last, taken_bytes = int(rows[0][0]), 0
    for arrived, whole_bytes in rows:
        taken_bytes += whole_bytes
        if taken_bytes > most_bytes and arrived != rows[0][0]:
            break
        last = int(arrived)
    return last
