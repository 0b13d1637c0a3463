"""The trace store in one SQLite file: one thread writes, some read, and the event loop does neither.

All writes that wait become one transaction (group commit), synced before any of them returns; full text is filled in
the same transaction. Readers have connections of their own, which see the last commit and hold nobody up.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from switchgear.engines.sqlite_spans.answering import aggregated
from switchgear.engines.sqlite_spans.arriving import arrived_spans
from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.finding import found_spans, found_traces
from switchgear.engines.sqlite_spans.loading import Loading
from switchgear.engines.sqlite_spans.making import Maker, Segments, Turn, last_closed
from switchgear.engines.sqlite_spans.measuring import scanned
from switchgear.engines.sqlite_spans.reading import trace_number, whole_spans
from switchgear.engines.sqlite_spans.schema import connect_reader, connect_writer
from switchgear.engines.sqlite_spans.sealed_tables import (
    ListedSegment,
    Sealed,
    WithoutDuckDb,
    all_segments,
    ids_here,
    segment_of,
    segments_for,
    spans_here,
)
from switchgear.engines.sqlite_spans.sealing import Sealing
from switchgear.engines.sqlite_spans.shrinking import shrink
from switchgear.engines.sqlite_spans.writer import Writer
from switchgear.kernel.ports import Arrivals, Arrived, Holdings, TraceStore
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group, checked
from switchgear.kernel.span import Span

_READERS: Final = 3
_PROJECTS: Final = "SELECT p.name FROM projects p WHERE EXISTS (SELECT 1 FROM traces t WHERE t.project = p.id)"
_CANNOT_SEAL: Final = "spans cannot be sealed: DuckDB is not installed; pip install 'switchgear[duckdb]'"
_Answer = TypeVar("_Answer")


class SqliteSpans:
    """A TraceStore in the file ``path``; one process at a time may write it.

    ``segments``: where sealed spans are written and read, closed with the store; None where nothing can.
    """

    def __init__(self, path: Path, segments: Segments | None = None) -> None:
        self._path = path
        self._segments = segments
        self._sealing: Sealing | None = None
        self._loading: Loading | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="spans-read")
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._open: list[sqlite3.Connection] = []
        self._writer: Writer | None = None

    async def start(self) -> None:
        """Open the file and bring it forward. Raises OSError."""
        self._writer = await asyncio.to_thread(self._opened)
        if self._segments is not None:
            self._sealing = Sealing(self._path, self._writer, self._segments)
            self._loading = Loading(self._path, self._writer, self._segments, self._sealing.turns)

    async def aclose(self) -> None:
        """Finish what was begun, but for sealing, which is given up; and close the file."""
        if self._sealing is not None:
            await asyncio.to_thread(self._sealing.stop)
            self._sealing = None
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._open:
            connection.close()
        self._open.clear()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
            self._writer = None
        if self._segments is not None:
            await asyncio.to_thread(self._segments.close)

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        return await asyncio.wrap_future(self._writing().write(spans, replace=replace)) if spans else 0

    async def find(self, question: Find) -> Found:
        asked = checked(question)
        return await self._read(lambda connection: _found(connection, asked, self._segments))

    async def aggregate(self, question: Aggregate) -> list[Group]:
        asked = checked(question)
        return await self._read(lambda connection: aggregated(connection, asked, self._scanned))

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        return await self._read(lambda connection: _spans(connection, (project, trace_id), span_ids, self._segments))

    async def arrived(self, after: int, most: int, most_bytes: int) -> Arrived:
        return await self._read(lambda connection: arrived_spans(connection, after, most, most_bytes))

    async def projects(self) -> list[str]:
        rows = await self._read(lambda connection: connection.execute(_PROJECTS).fetchall())
        return [name for (name,) in rows]

    async def delete(self, doomed: Doomed) -> int:
        """Some traces at a time, so that writes need not wait for all of them: what failed can be asked for again."""
        count = 0
        while True:
            deleted = await asyncio.wrap_future(self._writing().delete(doomed))
            if deleted is None:
                break
            count += deleted
        if count and self._sealing is not None:
            await asyncio.to_thread(self._sealing.tidy)
        if count and doomed.before_ns:
            await asyncio.to_thread(shrink, self._writing())
        return count

    async def seal(
        self, now_ns: int, before_ns: int, until: int | None = None, fewest: int = 0, maker: Maker | None = None
    ) -> int:
        """Seal the traces to which nothing was written since ``before_ns``, as far as that is known; how many spans.

        It is known of the times at which this was called. ``until``: only traces all of whose spans arrived before that
        position; None: any. ``fewest``: a day of a project that was not over at ``before_ns`` waits until it has so
        many spans, and what comes later for a day that is sealed until it is a 25th. ``maker`` makes the files, if
        there are any to make; None: this process. Raises OSError.
        """
        self._writing()
        if self._sealing is None:
            raise OSError(_CANNOT_SEAL)
        turn = Turn(before_ns=before_ns, until=until, fewest=fewest)
        return await asyncio.to_thread(self._sealing.turn, now_ns, turn, maker)

    async def last_closed(self, before_ns: int) -> int:
        """Behind the last span that was written before then, as far as that is known: a position. Raises OSError."""
        return await self._read(lambda connection: last_closed(connection, before_ns))

    async def load(self, spans: Iterable[Span], now_ns: int) -> int:
        """Seal whole traces that are over without writing them first; how many spans were new.

        ``spans`` is gone through in another thread; those of a trace should come near each other. Nothing that follows
        arrivals sees them. Raises OSError.
        """
        self._writing()
        if self._loading is None:
            raise OSError(_CANNOT_SEAL)
        return await asyncio.to_thread(self._loading.load, spans, now_ns)

    async def segments(self, *, whole: bool = False) -> list[ListedSegment]:
        """All that is sealed, the oldest first; ``whole``: all of the files is read to find faults. Raises OSError."""
        return await self._read(lambda connection: _listed(connection, self._segments, whole=whole))

    async def forget_segment(self, project: str, name: str) -> int:
        """Delete all traces that are read in a segment, and then its files; how many spans. Raises OSError."""
        ids = await self._read(lambda connection: ids_here(connection, name))
        return await self.delete(Doomed(project=project, trace_ids=tuple(ids))) if ids else 0

    def _opened(self) -> Writer:
        with failures(self._path):
            connection = connect_writer(self._path)
            for _ in range(_READERS):
                self._open.append(connect_reader(self._path))
                self._idle.put(self._open[-1])
            return Writer(connection, self._path, self._segments)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise OSError(f"{self._path} is not open: the trace store was not started, or is closed")
        return self._writer

    async def _read(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        self._writing()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._asked, ask)

    def _scanned(self, connection: sqlite3.Connection, question: Aggregate) -> list[Group]:
        segments = segments_for(connection, question)
        if not segments:
            return scanned(connection, question)
        if self._segments is None:
            raise WithoutDuckDb
        return self._segments.scan(connection, question, segments)

    def _asked(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """A segment may have gone since the tables were looked at: what they say then is asked for once."""
        try:
            return self._asked_once(ask)
        except FileNotFoundError:
            return self._asked_once(ask)

    def _asked_once(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        with failures(self._path), self._connection() as connection:
            # Several statements see one and the same state.
            connection.execute("BEGIN")
            try:
                return ask(connection)
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        connection = self._idle.get()
        try:
            yield connection
        finally:
            self._idle.put(connection)


def _found(connection: sqlite3.Connection, question: Find, sealed: Sealed | None) -> Found:
    segments = segments_for(connection, question)
    if not segments:
        return found_spans(connection, question) if question.of == "spans" else found_traces(connection, question)
    if sealed is None:
        raise WithoutDuckDb
    return sealed.find(connection, question, segments)


def _listed(connection: sqlite3.Connection, files: Segments | None, *, whole: bool) -> list[ListedSegment]:
    found: list[ListedSegment] = []
    for project, each in all_segments(connection):
        if files is None:
            raise WithoutDuckDb
        traces = spans_here(connection, each.number)
        look = files.look(each.name, traces, whole=whole)
        found.append(
            ListedSegment(
                name=each.name,
                project=project,
                first_ns=each.first_ns,
                last_ns=each.last_ns,
                traces=len(traces),
                spans=sum(traces.values()),
                size_bytes=look.size_bytes,
                fault=look.fault,
            )
        )
    return found


def _spans(
    connection: sqlite3.Connection, names: tuple[str, str], span_ids: Sequence[str], sealed: Sealed | None
) -> list[Span]:
    numbers = trace_number(connection, *names)
    if numbers is None:
        return []
    wanted = list(dict.fromkeys(span_ids))
    segment = segment_of(connection, numbers[1])
    if segment is None:
        kept = whole_spans(connection, numbers[1], names, wanted)
    elif sealed is None:
        raise WithoutDuckDb
    else:
        kept = sealed.kept(segment.name, numbers[1], names, wanted)
    found = {each.span.span_id: each.span for each in kept}
    return [found[span_id] for span_id in span_ids if span_id in found]


if TYPE_CHECKING:
    _: type[TraceStore] = SqliteSpans
    __: type[Arrivals] = SqliteSpans
    ___: type[Holdings] = SqliteSpans
