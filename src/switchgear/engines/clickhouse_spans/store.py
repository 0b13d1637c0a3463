"""The trace store in ClickHouse: many may ask, one process writes.

Writes that wait become one INSERT, which is on the server's disk before any of them returns.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from switchgear.engines.clickhouse_address import ClickHouseAddress
from switchgear.engines.clickhouse_spans.arriving import Stamps, arrived_spans
from switchgear.engines.clickhouse_spans.deleting import portions, some_deleted, traces_deleted
from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.rows import span_of
from switchgear.engines.clickhouse_spans.schema import bring_forward
from switchgear.engines.clickhouse_spans.writing import Batch, written
from switchgear.engines.span_sql.aggregating import aggregated
from switchgear.engines.span_sql.clickhouse import ClickHouse
from switchgear.engines.span_sql.dialect import Asking, Source
from switchgear.engines.span_sql.finding import found
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Arrivals, Arrived, Holdings, TraceStore
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group, checked
from switchgear.kernel.span import Span
from switchgear.kernel.upstream import Transport

_SOURCE: Final = Source(
    "spans FINAL", ClickHouse(), written="spans", version="version", moved="is_deleted = 1", circles="circles"
)
_MOST_SPANS: Final = 10_000
"""Of several callers in one INSERT."""
_READ_AT_ONCE: Final = 200
_WHOLE: Final = (
    "SELECT span_id, base64Encode(whole) FROM spans FINAL WHERE project = {project:String} "
    "AND trace_id = {trace:String} AND span_id IN {spans:Array(String)}"
)
_Answer = TypeVar("_Answer")


class ClickHouseSpans:
    """A TraceStore in the database at ``address``; the transport belongs to whoever gave it."""

    def __init__(self, transport: Transport, address: ClickHouseAddress, clock: Clock) -> None:
        self._link = Link(transport, address)
        self._stamps = Stamps(clock)
        self._starting = asyncio.Lock()
        self._started = False
        self._changing = asyncio.Lock()
        self._waiting: deque[tuple[Batch, asyncio.Future[int]]] = deque()
        self._rounds: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring the tables forward; what failed is tried again by whoever asks next. Raises OSError."""
        async with self._starting:
            if not self._started:
                await bring_forward(self._link)
                self._started = True

    async def aclose(self) -> None:
        """Finish what was begun."""
        if self._rounds is not None:
            await self._rounds

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        if not spans:
            return 0
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((Batch(spans, replace), done))
        if self._rounds is None:
            # A task of its own: a caller that gives up stops nobody else's.
            self._rounds = asyncio.get_running_loop().create_task(self._write_all())
        return await done

    async def find(self, question: Find) -> Found:
        return await self._answered(found(checked(question), _SOURCE))

    async def aggregate(self, question: Aggregate) -> list[Group]:
        return await self._answered(aggregated(checked(question), _SOURCE))

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        await self._at_hand()
        wholes: dict[str, Span] = {}
        for at in range(0, len(span_ids), _READ_AT_ONCE):
            some = list(span_ids[at : at + _READ_AT_ONCE])
            rows = await self._link.rows(_WHOLE, {"project": project, "trace": trace_id, "spans": some})
            wholes |= {span_id: span_of(whole) for span_id, whole in rows}
        return [wholes[span_id] for span_id in span_ids if span_id in wholes]

    async def arrived(self, after: int, most: int, most_bytes: int) -> Arrived:
        await self._at_hand()
        return await arrived_spans(self._link, self._stamps.newest_ns(), after, most, most_bytes)

    async def projects(self) -> list[str]:
        await self._at_hand()
        return [project for (project,) in await self._link.rows("SELECT DISTINCT project FROM spans")]

    async def delete(self, doomed: Doomed) -> int:
        """Some traces at a time, so that writes need not wait for all of them: what failed can be asked for again."""
        await self._at_hand()
        count = 0
        for some in portions(doomed.trace_ids):
            async with self._changing:
                count += await traces_deleted(self._link, doomed.project, some)
        while True:
            async with self._changing:
                deleted = await some_deleted(self._link, doomed)
            if not deleted:
                return count
            count += deleted

    async def _at_hand(self) -> None:
        if not self._started:
            await self.start()

    async def _answered(self, asking: Asking[_Answer]) -> _Answer:
        await self._at_hand()
        try:
            statement = next(asking)
            while True:
                statement = asking.send(await self._link.rows(statement.sql, statement.bound))
        except StopIteration as done:
            return done.value

    async def _write_all(self) -> None:
        """Rounds, until nothing waits."""
        try:
            while self._waiting:
                async with self._changing:
                    await self._write_some(self._taken())
        finally:
            self._rounds = None

    async def _write_some(self, taken: Sequence[tuple[Batch, asyncio.Future[int]]]) -> None:
        try:
            await self._at_hand()
            counts = await written(self._link, [batch for batch, _ in taken], self._stamps)
        except Exception as error:  # noqa: BLE001 (it is raised where the result is awaited)
            for _, done in taken:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), count in zip(taken, counts, strict=True):
            if not done.done():
                done.set_result(count)

    def _taken(self) -> list[tuple[Batch, asyncio.Future[int]]]:
        """What goes into one round: the first, and more as long as there is room."""
        taken = [self._waiting.popleft()]
        room = _MOST_SPANS - len(taken[0][0].spans)
        while self._waiting and len(self._waiting[0][0].spans) <= room:
            taken.append(self._waiting.popleft())
            room -= len(taken[-1][0].spans)
        return taken


if TYPE_CHECKING:
    _: type[TraceStore] = ClickHouseSpans
    __: type[Arrivals] = ClickHouseSpans
    ___: type[Holdings] = ClickHouseSpans
