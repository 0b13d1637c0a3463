"""The trace store in one SQLite file: one thread writes, some read, and the event loop does neither.

All writes that wait become one transaction (group commit), synced before any of them returns; full text is filled in
the same transaction. Readers have connections of their own, which see the last commit and hold nobody up.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from switchgear.engines.sqlite_spans.answering import aggregated
from switchgear.engines.sqlite_spans.arriving import arrived_spans
from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.finding import found_spans, found_traces
from switchgear.engines.sqlite_spans.reading import trace_number, whole_spans
from switchgear.engines.sqlite_spans.schema import connect_reader, connect_writer
from switchgear.engines.sqlite_spans.writer import Writer
from switchgear.kernel.ports import Arrivals, Arrived, TraceStore
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group, checked
from switchgear.kernel.span import Span

_READERS: Final = 3
_Answer = TypeVar("_Answer")


class SqliteSpans:
    """A TraceStore in the file ``path``; one process at a time may write it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="spans-read")
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._open: list[sqlite3.Connection] = []
        self._writer: Writer | None = None

    async def start(self) -> None:
        """Open the file and bring it forward. Raises OSError."""
        self._writer = await asyncio.to_thread(self._opened)

    async def aclose(self) -> None:
        """Finish what was begun, and close the file."""
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._open:
            connection.close()
        self._open.clear()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
            self._writer = None

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        return await asyncio.wrap_future(self._writing().write(spans, replace=replace)) if spans else 0

    async def find(self, question: Find) -> Found:
        asked = checked(question)
        find = found_spans if asked.of == "spans" else found_traces
        return await self._read(lambda connection: find(connection, asked))

    async def aggregate(self, question: Aggregate) -> list[Group]:
        asked = checked(question)
        return await self._read(lambda connection: aggregated(connection, asked))

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        return await self._read(lambda connection: _spans(connection, project, trace_id, span_ids))

    async def arrived(self, after: int, most: int, most_bytes: int) -> Arrived:
        return await self._read(lambda connection: arrived_spans(connection, after, most, most_bytes))

    async def delete(self, doomed: Doomed) -> int:
        """Some traces at a time, so that writes need not wait for all of them: what failed can be asked for again."""
        count = 0
        while True:
            deleted = await asyncio.wrap_future(self._writing().delete(doomed))
            if deleted is None:
                return count
            count += deleted

    def _opened(self) -> Writer:
        with failures(self._path):
            connection = connect_writer(self._path)
            for _ in range(_READERS):
                self._open.append(connect_reader(self._path))
                self._idle.put(self._open[-1])
            return Writer(connection, self._path)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise OSError(f"{self._path} is not open: the trace store was not started, or is closed")
        return self._writer

    async def _read(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        self._writing()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._asked, ask)

    def _asked(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
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


def _spans(connection: sqlite3.Connection, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
    numbers = trace_number(connection, project, trace_id)
    if numbers is None:
        return []
    wanted = list(dict.fromkeys(span_ids))
    found = {kept.span.span_id: kept.span for kept in whole_spans(connection, numbers[1], (project, trace_id), wanted)}
    return [found[span_id] for span_id in span_ids if span_id in found]


if TYPE_CHECKING:
    _: type[TraceStore] = SqliteSpans
    __: type[Arrivals] = SqliteSpans
