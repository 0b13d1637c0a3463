"""Closed traces as files of segments, and what they hold that has lost much as files anew: no table is changed by it.

This is the heavy part of sealing, and it may go on in a process of its own: it reads the store over a connection that
can only read, and what it tells of each segment is all that its traces' change of sides takes.
"""

import errno
import logging
import sqlite3
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from typing import Final, Protocol

from msgspec import Struct

from switchgear.engines.sqlite_spans.facets import labels_of
from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.reading import Kept, whole_spans
from switchgear.engines.sqlite_spans.schema import connect_reader
from switchgear.engines.sqlite_spans.sealed_tables import Away, BrokenSegment, Look, Sealed
from switchgear.kernel.span import Span

DAY_NS: Final = 86_400_000_000_000
MOST_SPANS: Final = 50_000
MOST_BYTES: Final = 64 * 1024 * 1024
RESERVE_BYTES: Final = 4 * MOST_BYTES
"""Of the disk, which stay free for what is written next to the tables."""
_SHARE_OF_LATER: Final = 25
"""What comes back or comes late for a day that is sealed makes a segment when it is this part of what else does."""
_CLOSED: Final = """
SELECT p.name, t.project, t.id, t.trace_id, t.started_ns, count(*) AS spans, max(s.id)
FROM spans s JOIN traces t ON t.id = s.trace JOIN projects p ON p.id = t.project
GROUP BY s.trace HAVING max(s.id) <= ? AND count(*) <= ?
"""
_IN_ORDER: Final = f"{_CLOSED} ORDER BY t.project, t.started_ns / ?, t.id"
_BY_DAY: Final = f"SELECT project, started_ns / ? AS day, sum(spans) FROM ({_CLOSED}) GROUP BY project, day"
_LOST: Final = """
SELECT z.segment, g.name FROM sealed z JOIN segments g ON g.number = z.segment GROUP BY z.segment
HAVING sum(z.state = 'here') > 0
AND (sum(z.state = 'erased') > 0 OR 3 * sum(z.spans * (z.state = 'left')) > sum(z.spans))
"""
_LIVING: Final = """
SELECT p.name, t.project, t.id, t.trace_id, t.started_ns, z.spans, 0
FROM sealed z JOIN traces t ON t.id = z.trace JOIN projects p ON p.id = t.project
WHERE z.segment = ? AND z.state = 'here' ORDER BY t.id
"""


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


class Segments(Sealed, Protocol):
    """Where segments are written as well."""

    def write(self, place: Place, traces: Sequence[Closed]) -> str:
        """The files of a new segment, on the disk on return; its name. Raises OSError."""
        ...

    def sweep(self, names: Sequence[str]) -> None:
        """Remove the files of all other segments. Raises OSError."""
        ...

    def look(self, segment: str, traces: Mapping[int, int], *, whole: bool) -> Look:
        """How a segment's files are, which hold so many spans of each of ``traces``; ``whole``: all of them is read.

        Raises OSError where that has nothing to do with what is in them.
        """
        ...

    def stop(self) -> None:
        """Nothing more is written: what is being written fails soon. Raises nothing."""
        ...

    def close(self) -> None:
        """Nothing more is asked."""
        ...


class Turn(Struct, frozen=True, kw_only=True):
    """What is closed, as far as one turn of sealing goes."""

    before_ns: int
    """Traces to which nothing was written since then are."""
    until: int | None = None
    """None with a span behind this one."""
    fewest: int = 0
    """A project's day that was not over at ``before_ns`` waits until it makes a segment of so many spans, and what
    comes later for a day that has one until it is a 25th."""


class Filed(Struct, frozen=True, array_like=True):
    """A trace that a segment's files hold."""

    trace: int
    last_span: int
    spans: tuple[Away, ...]


class Made(Struct, frozen=True, kw_only=True, tag=True):
    """A segment that has files, and that no table knows yet."""

    place: Place
    name: str
    first_ns: int
    last_ns: int
    traces: tuple[Filed, ...]
    renews: int = 0
    """The segment in which its traces lay before; 0: they lie in the tables."""


class Failed(Struct, frozen=True, kw_only=True, tag=True):
    """Why nothing more is made: an OSError's number and what it said."""

    number: int
    said: str


class Maker(Protocol):
    """Who makes segments."""

    def made(self, turn: Turn) -> Generator[Made]:
        """Each when its files are whole; the next one is begun when the tables know of it. Raises OSError."""
        ...

    def stop(self) -> None:
        """Nothing more is made: what is under way fails soon. Raises nothing."""
        ...


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


class Making:
    """Makes segments in this process."""

    def __init__(self, path: Path, segments: Segments, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._segments = segments
        self._reserve_bytes = reserve_bytes
        self._log = logging.getLogger("switchgear.traces")
        self._stopping = threading.Event()

    def made(self, turn: Turn) -> Generator[Made]:
        with failures(self._path), closing(connect_reader(self._path)) as connection:
            yield from self._renewed(connection)
            for batch in _batches(_closed_traces(connection, turn)):
                if _is_due(connection, batch[0].home[1:], sum(trace.count for trace in batch), turn):
                    yield from self._sealed(connection, batch)
            # What was deleted meanwhile need not wait for the next turn.
            yield from self._renewed(connection)

    def stop(self) -> None:
        self._stopping.set()
        self._segments.stop()

    def _sealed(self, connection: sqlite3.Connection, batch: Sequence[_Trace]) -> Iterator[Made]:
        """None where traces cannot be told in files, so that the others are."""
        try:
            yield from self._portions(connection, batch)
        except BrokenSegment as error:
            self._log.error("%d traces of %s stay in the tables: %s", len(batch), batch[0].project, error)

    def _portions(self, connection: sqlite3.Connection, batch: Sequence[_Trace]) -> Iterator[Made]:
        """One segment, or several where messages are large."""
        filled, size = list[Closed](), 0
        self._look_for_room()
        for trace in batch:
            if self._stopping.is_set():
                raise OSError(errno.ECANCELED, "sealing was stopped", str(self._path))
            closed = _whole(connection, trace)
            if closed is None:
                continue
            filled.append(closed)
            size += sum(size_bytes(kept.span) for kept in closed.spans)
            if size > MOST_BYTES:
                yield self._written(connection, batch[0], filled)
                filled, size = [], 0
        if filled:
            yield self._written(connection, batch[0], filled)

    def _look_for_room(self) -> None:
        """Raises OSError where files would take what spans that come are to have."""
        free_bytes = disk_usage(self._path.parent).free
        if free_bytes < self._reserve_bytes:
            said = f"only {free_bytes >> 20} MB of the disk are free, and sealing begins at {self._reserve_bytes >> 20}"
            raise OSError(errno.ENOSPC, said, str(self._path))

    def _renewed(self, connection: sqlite3.Connection) -> Iterator[Made]:
        """What still lives in segments that have lost much, or something for good, goes into new ones."""
        for segment, name in connection.execute(_LOST).fetchall():
            living = [_Trace(*each) for each in connection.execute(_LIVING, (segment,))]
            try:
                filled = [
                    Closed(each.trace, each.trace_id, each.started_ns, 0, tuple(self._kept(name, each)))
                    for each in living
                ]
            except (BrokenSegment, FileNotFoundError) as error:
                self._log.error("the sealed spans %s cannot be written anew: %s", name, error)
                continue
            if filled:
                yield self._written(connection, living[0], filled, segment)

    def _kept(self, name: str, trace: _Trace) -> list[Kept]:
        return self._segments.kept(name, trace.trace, (trace.project, trace.trace_id))

    def _written(self, connection: sqlite3.Connection, home: _Trace, filled: Sequence[Closed], renews: int = 0) -> Made:
        place = Place(home.project, home.project_number, day_of(home.started_ns), next_number(connection))
        name = self._segments.write(place, filled)
        first_ns, last_ns = times_of(filled)
        traces = tuple(Filed(closed.trace, closed.last_span, _away(closed)) for closed in filled)
        return Made(place=place, name=name, first_ns=first_ns, last_ns=last_ns, traces=traces, renews=renews)


def is_wanted(connection: sqlite3.Connection, turn: Turn) -> bool:
    """Whether there is anything to make."""
    if connection.execute(f"{_LOST} LIMIT 1").fetchone() is not None:
        return True
    last = _last(connection, turn)
    if connection.execute("SELECT 1 FROM spans WHERE id <= ? LIMIT 1", (last,)).fetchone() is None:
        return False
    days = connection.execute(_BY_DAY, (DAY_NS, last, MOST_SPANS)).fetchall()
    return any(_is_due(connection, (project, day), count, turn) for project, day, count in days)


def last_closed(connection: sqlite3.Connection, before_ns: int) -> int:
    """The last span that is known to have been written before; 0 where nothing is known."""
    return int(
        connection.execute("SELECT coalesce(max(span), 0) FROM marks WHERE at_ns <= ?", (before_ns,)).fetchone()[0]
    )


def next_number(connection: sqlite3.Connection) -> int:
    """Of the segment that is named next."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def day_of(at_ns: int) -> str:
    """In UTC."""
    return datetime.fromtimestamp(at_ns // DAY_NS * 86_400, UTC).date().isoformat()


def times_of(traces: Sequence[Closed]) -> tuple[int, int]:
    """When the first and the last of their spans began."""
    times = [kept.span.started_ns for closed in traces for kept in closed.spans]
    return min(times), max(times)


def size_bytes(span: Span) -> int:
    """What it says."""
    return sum(map(len, (*span.input.parts, *span.output.parts)))


def _last(connection: sqlite3.Connection, turn: Turn) -> int:
    closed = last_closed(connection, turn.before_ns)
    return closed if turn.until is None else min(closed, turn.until)


def _closed_traces(connection: sqlite3.Connection, turn: Turn) -> list[_Trace]:
    last = _last(connection, turn)
    return [_Trace(*each) for each in connection.execute(_IN_ORDER, (last, MOST_SPANS, DAY_NS))] if last else []


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


def _is_due(connection: sqlite3.Connection, home: tuple[int, int], count: int, turn: Turn) -> bool:
    """Whether a project's day is worth a segment: each question looks into each of them."""
    project, begins_ns = home[0], home[1] * DAY_NS
    if begins_ns + DAY_NS > turn.before_ns:
        return count >= turn.fewest
    others = "SELECT 1 FROM segments WHERE project = ? AND first_ns >= ? AND first_ns < ?"
    bound = (project, begins_ns, begins_ns + DAY_NS)
    return count * _SHARE_OF_LATER >= turn.fewest or connection.execute(others, bound).fetchone() is None


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


def _away(closed: Closed) -> tuple[Away, ...]:
    return tuple(
        Away(kept.number, tuple(kept.details.contents() if kept.details else ()), tuple(labels_of(kept.span)))
        for kept in closed.spans
    )
