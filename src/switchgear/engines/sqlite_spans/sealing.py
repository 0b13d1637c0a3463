"""Closed traces go from the tables into segments, and segments that have lost much are written anew.

The files of a segment are whole and on the disk before the tables hear of it. They hear first that it is there and that
all its traces still lie in the tables; then the traces change sides, some in each transaction, so that writes go
between. Whatever a kill leaves is true: a trace is read on one side only, and files that no table names are removed.
"""

import errno
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from switchgear.engines.sqlite_spans.facets import labels_of
from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.reading import Kept, whole_spans
from switchgear.engines.sqlite_spans.schema import connect_reader
from switchgear.engines.sqlite_spans.sealed_tables import Away, BrokenSegment, Sealed, segment_of, set_state
from switchgear.engines.sqlite_spans.shrinking import shrink
from switchgear.engines.sqlite_spans.writer import Writer
from switchgear.engines.sqlite_spans.writing import Writing
from switchgear.kernel.span import Span

DAY_NS: Final = 86_400_000_000_000
MOST_SPANS: Final = 50_000
MOST_BYTES: Final = 64 * 1024 * 1024
_AT_ONCE: Final = 100
"""Spans that change sides in one transaction."""
_SHARE_OF_LATER: Final = 25
"""What comes back or comes late for a day that is sealed makes a segment when it is this part of what else does."""
_CLOSED: Final = """
SELECT p.name, t.project, t.id, t.trace_id, t.started_ns, count(*), max(s.id)
FROM spans s JOIN traces t ON t.id = s.trace JOIN projects p ON p.id = t.project
GROUP BY s.trace HAVING max(s.id) <= ? AND count(*) <= ? ORDER BY t.project, t.started_ns / ?, t.id
"""
_LOST: Final = """
SELECT z.segment, g.name FROM sealed z JOIN segments g ON g.number = z.segment GROUP BY z.segment
HAVING sum(z.state = 'erased') > 0 OR 3 * sum(z.spans * (z.state = 'left')) > sum(z.spans)
"""
_LIVING: Final = """
SELECT p.name, t.project, t.id, t.trace_id, t.started_ns, z.spans, 0
FROM sealed z JOIN traces t ON t.id = z.trace JOIN projects p ON p.id = t.project
WHERE z.segment = ? AND z.state = 'here' ORDER BY t.id
"""
_STATE_AT_FIRST: Final = "iif(EXISTS (SELECT 1 FROM traces t WHERE t.id = ?), 'left', 'erased')"
"""A trace may have been deleted while its file was written."""


class Segments(Sealed, Protocol):
    """Where segments are written as well."""

    def write(self, place: "Place", traces: Sequence["Closed"]) -> str:
        """The files of a new segment, on the disk on return; its name. Raises OSError."""
        ...

    def sweep(self, names: Sequence[str]) -> None:
        """Remove the files of all other segments. Raises OSError."""
        ...

    def stop(self) -> None:
        """Nothing more is written: what is being written fails soon. Raises nothing."""
        ...

    def close(self) -> None:
        """Nothing more is asked."""
        ...


class Place(Struct, frozen=True):
    """Whose segment it is, its day (in UTC) and its number."""

    project: str
    project_number: int
    day: str
    number: int


class Closed(Struct, frozen=True):
    """A trace that is to be sealed, with all its spans."""

    trace: int
    trace_id: str
    started_ns: int
    last_span: int
    spans: tuple[Kept, ...]


class _Trace(Struct, frozen=True):
    project: str
    project_number: int
    trace: int
    trace_id: str
    started_ns: int
    count: int
    last_span: int

    @property
    def home(self) -> tuple[str, int, int]:
        """Traces with the same may share a segment."""
        return self.project, self.project_number, self.started_ns // DAY_NS


class Sealing:
    """Seals for one store; one turn at a time."""

    def __init__(self, path: Path, writer: Writer, segments: Segments) -> None:
        self._path = path
        self._writer = writer
        self._segments = segments
        self._log = logging.getLogger("switchgear.traces")
        self.turns = threading.Lock()
        """Held while files are written that no table names yet."""
        self._stopping = threading.Event()

    def turn(self, now_ns: int, before_ns: int, until: int | None = None, fewest: int = 0) -> int:
        """Seal the traces to which nothing was written since ``before_ns``; how many spans. Raises OSError.

        ``until``: none with a span behind this one. ``fewest``: a project's day that was not over at ``before_ns``
        waits until it makes a segment of so many spans, and what comes later for a day that has one until it is a 25th.
        """
        with self.turns, failures(self._path):
            self._writer.work(lambda connection, writing: _mark(connection, writing, now_ns, before_ns))
            with closing(connect_reader(self._path)) as connection:
                self._renew(connection)
                self._sweep(connection)
                closed = _closed_traces(connection, before_ns, until)
                count = sum(
                    self._sealed(connection, batch)
                    for batch in _batches(closed)
                    if _is_due(connection, batch, before_ns, fewest)
                )
                # What was deleted meanwhile need not wait for the next turn.
                self._renew(connection)
                self._sweep(connection)
            shrink(self._writer)
            return count

    def tidy(self) -> None:
        """Remove segments in which nothing is left, unless a turn does that at its end. Raises OSError."""
        if not self.turns.acquire(blocking=False):
            return
        try:
            with failures(self._path), closing(connect_reader(self._path)) as connection:
                self._sweep(connection)
        finally:
            self.turns.release()

    def stop(self) -> None:
        """Give up the turn that is under way, and wait for its end; what it changed is true."""
        self._stopping.set()
        self._segments.stop()
        with self.turns:
            pass

    def _sealed(self, connection: sqlite3.Connection, batch: Sequence[_Trace]) -> int:
        """How many spans; none where they cannot be told in files, so that the others are."""
        try:
            return self._seal(connection, batch)
        except BrokenSegment as error:
            self._log.error("%d traces of %s stay in the tables: %s", len(batch), batch[0].project, error)
            return 0

    def _seal(self, connection: sqlite3.Connection, batch: Sequence[_Trace]) -> int:
        """One segment, or several where messages are large."""
        count, filled, size = 0, list[Closed](), 0
        for trace in batch:
            self._go_on()
            closed = _whole(connection, trace)
            if closed is None:
                continue
            filled.append(closed)
            size += sum(size_bytes(kept.span) for kept in closed.spans)
            if size > MOST_BYTES:
                count += self._close(connection, batch[0], filled)
                filled, size = [], 0
        return count + (self._close(connection, batch[0], filled) if filled else 0)

    def _close(self, connection: sqlite3.Connection, home: _Trace, filled: Sequence[Closed]) -> int:
        place = _place(connection, home)
        name = self._segments.write(place, filled)
        self._writer.work(lambda connection, _: name_segment(connection, place, name, filled))
        return sum(self._change_sides(place, some) for some in _portions(filled))

    def _change_sides(self, place: Place, traces: Sequence[Closed]) -> int:
        self._go_on()
        away = [(closed, _away(closed)) for closed in traces]

        def change(connection: sqlite3.Connection, writing: Writing) -> int:
            gone = {closed.trace: spans for closed, spans in away if _is_as_it_was(connection, closed)}
            writing.take_away(place.project_number, gone)
            for trace in gone:
                set_state(connection, place.number, trace, "here")
            return sum(map(len, gone.values()))

        return self._writer.work(change)

    def _renew(self, connection: sqlite3.Connection) -> None:
        """What still lives in segments that have lost much, or something for good, goes into new ones."""
        for segment, name in connection.execute(_LOST).fetchall():
            living = [_Trace(*each) for each in connection.execute(_LIVING, (segment,))]
            if not living:
                continue
            try:
                filled = [
                    Closed(each.trace, each.trace_id, each.started_ns, 0, tuple(self._kept(name, each)))
                    for each in living
                ]
            except (BrokenSegment, FileNotFoundError) as error:
                self._log.error("the sealed spans %s cannot be written anew: %s", name, error)
                continue
            place = _place(connection, living[0])
            new_name = self._segments.write(place, filled)

            def move(
                connection: sqlite3.Connection,
                _: Writing,
                old: int = segment,
                told: tuple[Place, str, list[Closed]] = (place, new_name, filled),
            ) -> None:
                name_segment(connection, *told)
                for closed in told[2]:
                    found = segment_of(connection, closed.trace)
                    if found is not None and found.number == old:
                        set_state(connection, old, closed.trace, "left")
                        set_state(connection, told[0].number, closed.trace, "here")

            self._writer.work(move)

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise OSError(errno.ECANCELED, "sealing was stopped", str(self._path))

    def _kept(self, name: str, trace: _Trace) -> list[Kept]:
        return self._segments.kept(name, trace.trace, (trace.project, trace.trace_id))

    def _sweep(self, connection: sqlite3.Connection) -> None:
        self._writer.work(lambda connection, _: _forget_empty(connection))
        self._segments.sweep([name for (name,) in connection.execute("SELECT name FROM segments")])


def _mark(connection: sqlite3.Connection, writing: Writing, now_ns: int, before_ns: int) -> None:
    connection.execute("INSERT OR REPLACE INTO marks (at_ns, span) VALUES (?, ?)", (now_ns, writing.last_span()))
    # Of those that are old enough the last one tells all.
    old = "(SELECT max(at_ns) FROM marks WHERE at_ns <= ?)"
    connection.execute(f"DELETE FROM marks WHERE at_ns < {old}", (before_ns,))


def last_closed(connection: sqlite3.Connection, before_ns: int) -> int:
    """The last span that is known to have been written before; 0 where nothing is known."""
    return int(
        connection.execute("SELECT coalesce(max(span), 0) FROM marks WHERE at_ns <= ?", (before_ns,)).fetchone()[0]
    )


def _closed_traces(connection: sqlite3.Connection, before_ns: int, until: int | None) -> list[_Trace]:
    closed = last_closed(connection, before_ns)
    last = closed if until is None else min(closed, until)
    return [_Trace(*each) for each in connection.execute(_CLOSED, (last, MOST_SPANS, DAY_NS))] if last else []


def _batches(traces: Sequence[_Trace]) -> Iterator[list[_Trace]]:
    batch: list[_Trace] = []
    count = 0
    for trace in traces:
        if batch and (trace.home != batch[0].home or count + trace.count > MOST_SPANS):
            yield batch
            batch, count = [], 0
        batch.append(trace)
        count += trace.count
    if batch:
        yield batch


def _is_due(connection: sqlite3.Connection, batch: Sequence[_Trace], before_ns: int, fewest: int) -> bool:
    """Whether it is worth a segment: each question looks into each of them."""
    count = sum(trace.count for trace in batch)
    begins_ns = batch[0].started_ns // DAY_NS * DAY_NS
    if begins_ns + DAY_NS > before_ns:
        return count >= fewest
    others = "SELECT 1 FROM segments WHERE project = ? AND first_ns >= ? AND first_ns < ?"
    bound = (batch[0].project_number, begins_ns, begins_ns + DAY_NS)
    return count * _SHARE_OF_LATER >= fewest or connection.execute(others, bound).fetchone() is None


def _whole(connection: sqlite3.Connection, trace: _Trace) -> Closed | None:
    """None of one that was changed or deleted meanwhile."""
    connection.execute("BEGIN")
    try:
        spans = tuple(whole_spans(connection, trace.trace, (trace.project, trace.trace_id)))
    finally:
        connection.execute("ROLLBACK")
    if len(spans) != trace.count or max(kept.number for kept in spans) != trace.last_span:
        return None
    return Closed(trace.trace, trace.trace_id, trace.started_ns, trace.last_span, spans)


def _place(connection: sqlite3.Connection, home: _Trace) -> Place:
    return Place(home.project, home.project_number, day_of(home.started_ns), next_number(connection))


def day_of(at_ns: int) -> str:
    """In UTC."""
    return datetime.fromtimestamp(at_ns // DAY_NS * 86_400, UTC).date().isoformat()


def next_number(connection: sqlite3.Connection) -> int:
    """Of the segment that is named next."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def name_segment(connection: sqlite3.Connection, place: Place, name: str, traces: Sequence[Closed]) -> None:
    """Tell of a segment, all of whose traces are still read elsewhere."""
    times = [kept.span.started_ns for closed in traces for kept in closed.spans]
    connection.execute(
        "INSERT INTO segments (number, project, name, first_ns, last_ns) VALUES (?, ?, ?, ?, ?)",
        (place.number, place.project_number, name, min(times), max(times)),
    )
    connection.executemany(
        f"INSERT INTO sealed (segment, trace, spans, state) VALUES (?, ?, ?, {_STATE_AT_FIRST})",
        [(place.number, closed.trace, len(closed.spans), closed.trace) for closed in traces],
    )


def _is_as_it_was(connection: sqlite3.Connection, closed: Closed) -> bool:
    """A span that is written again has a new number, the highest of all."""
    found = connection.execute("SELECT count(*), max(id) FROM spans WHERE trace = ?", (closed.trace,)).fetchone()
    return found == (len(closed.spans), closed.last_span)


def _forget_empty(connection: sqlite3.Connection) -> None:
    empty = "(SELECT segment FROM sealed GROUP BY segment HAVING sum(state = 'here') = 0)"
    connection.execute(f"DELETE FROM segments WHERE number IN {empty}")
    connection.execute("DELETE FROM sealed WHERE segment NOT IN (SELECT number FROM segments)")


def size_bytes(span: Span) -> int:
    """What it says."""
    return sum(map(len, (*span.input.parts, *span.output.parts)))


def _away(closed: Closed) -> list[Away]:
    return [
        Away(kept.number, tuple(kept.details.contents() if kept.details else ()), tuple(labels_of(kept.span)))
        for kept in closed.spans
    ]


def _portions(traces: Sequence[Closed]) -> Iterator[list[Closed]]:
    some: list[Closed] = []
    for closed in traces:
        some.append(closed)
        if sum(len(each.spans) for each in some) >= _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
