"""Closed traces go from the tables into segments, and segments that have lost much are written anew.

The files of a segment are whole and on the disk before the tables hear of it. They hear first that it is there and that
all its traces still lie in the tables; then the traces change sides, some in each transaction, so that writes go
between. Whatever a kill leaves is true: a trace is read on one side only, and files that no table names are removed.
"""

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.making import Filed, Made, Maker, Making, Place, Segments, Turn, is_wanted
from switchgear.engines.sqlite_spans.schema import connect_reader
from switchgear.engines.sqlite_spans.sealed_tables import segment_of, set_state
from switchgear.engines.sqlite_spans.shrinking import shrink
from switchgear.engines.sqlite_spans.writer import Writer
from switchgear.engines.sqlite_spans.writing import Writing

_AT_ONCE: Final = 100
"""Spans that change sides in one transaction."""
_STATE_AT_FIRST: Final = "iif(EXISTS (SELECT 1 FROM traces t WHERE t.id = ?), 'left', 'erased')"
"""A trace may have been deleted while its file was written."""


class Sealing:
    """Seals for one store; one turn at a time."""

    def __init__(self, path: Path, writer: Writer, segments: Segments) -> None:
        self._path = path
        self._writer = writer
        self._segments = segments
        self._making = Making(path, segments)
        self.turns = threading.Lock()
        """Held while files are written that no table names yet."""
        self._stopping = threading.Event()
        self._makers: list[Maker] = [self._making]
        """Who is told to stop."""

    def turn(self, now_ns: int, turn: Turn, maker: Maker | None = None) -> int:
        """Seal what is closed; how many spans. Raises OSError.

        ``maker``: who makes the files, asked only where there is something to make; None: this process, which then
        has nothing else to do.
        """
        with self.turns, failures(self._path), closing(connect_reader(self._path)) as connection:
            self._writer.work(lambda connection, writing: _mark(connection, writing, now_ns, turn.before_ns))
            self._sweep(connection)
            count = 0
            if is_wanted(connection, turn):
                count = self._sealed(connection, turn, maker or self._making)
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
        for maker in tuple(self._makers):
            maker.stop()
        with self.turns:
            pass

    def _sealed(self, connection: sqlite3.Connection, turn: Turn, maker: Maker) -> int:
        """How many spans."""
        self._makers.append(maker)
        try:
            # Told to stop before it was among them.
            self._go_on()
            with closing(maker.made(turn)) as segments:
                return sum(self._take(made, pausing=maker is not self._making) for made in segments)
        except OSError:
            # What was not finished must not lie there until the next turn: the disk may be full of it.
            with suppress(OSError):
                self._sweep(connection)
            raise
        finally:
            self._makers.remove(maker)

    def _take(self, made: Made, *, pausing: bool) -> int:
        """How many spans left the tables; ``pausing``: others have the store at least half of the time meanwhile."""
        if made.renews:
            self._writer.work(lambda connection, _: _renew(connection, made))
            return 0
        self._writer.work(lambda connection, _: _name(connection, made))
        count = 0
        for some in _portions(made.traces):
            began = time.monotonic()
            count += self._change_sides(made.place, some)
            if pausing:
                self._stopping.wait(time.monotonic() - began)
        return count

    def _change_sides(self, place: Place, traces: Sequence[Filed]) -> int:
        self._go_on()

        def change(connection: sqlite3.Connection, writing: Writing) -> int:
            gone = {filed.trace: filed.spans for filed in traces if _is_as_it_was(connection, filed)}
            writing.take_away(place.project_number, gone)
            for trace in gone:
                set_state(connection, place.number, trace, "here")
            return sum(map(len, gone.values()))

        return self._writer.work(change)

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise OSError(errno.ECANCELED, "sealing was stopped", str(self._path))

    def _sweep(self, connection: sqlite3.Connection) -> None:
        self._writer.work(lambda connection, _: _forget_empty(connection))
        self._segments.sweep([name for (name,) in connection.execute("SELECT name FROM segments")])


def name_segment(
    connection: sqlite3.Connection, place: Place, name: str, times: tuple[int, int], spans: Mapping[int, int]
) -> None:
    """Tell of a segment with so many spans of each trace, all of which are still read elsewhere."""
    connection.execute(
        "INSERT INTO segments (number, project, name, first_ns, last_ns) VALUES (?, ?, ?, ?, ?)",
        (place.number, place.project_number, name, *times),
    )
    connection.executemany(
        f"INSERT INTO sealed (segment, trace, spans, state) VALUES (?, ?, ?, {_STATE_AT_FIRST})",
        [(place.number, trace, count, trace) for trace, count in spans.items()],
    )


def _mark(connection: sqlite3.Connection, writing: Writing, now_ns: int, before_ns: int) -> None:
    connection.execute("INSERT OR REPLACE INTO marks (at_ns, span) VALUES (?, ?)", (now_ns, writing.last_span()))
    # Of those that are old enough the last one tells all.
    old = "(SELECT max(at_ns) FROM marks WHERE at_ns <= ?)"
    connection.execute(f"DELETE FROM marks WHERE at_ns < {old}", (before_ns,))


def _name(connection: sqlite3.Connection, made: Made) -> None:
    spans = {filed.trace: len(filed.spans) for filed in made.traces}
    name_segment(connection, made.place, made.name, (made.first_ns, made.last_ns), spans)


def _renew(connection: sqlite3.Connection, made: Made) -> None:
    """Traces are read in the new segment from now on, but for those that left the old one meanwhile."""
    _name(connection, made)
    for filed in made.traces:
        found = segment_of(connection, filed.trace)
        if found is not None and found.number == made.renews:
            set_state(connection, made.renews, filed.trace, "left")
            set_state(connection, made.place.number, filed.trace, "here")


def _is_as_it_was(connection: sqlite3.Connection, filed: Filed) -> bool:
    """A span that is written again has a new number, the highest of all."""
    found = connection.execute("SELECT count(*), max(id) FROM spans WHERE trace = ?", (filed.trace,)).fetchone()
    return found == (len(filed.spans), filed.last_span)


def _forget_empty(connection: sqlite3.Connection) -> None:
    empty = "(SELECT segment FROM sealed GROUP BY segment HAVING sum(state = 'here') = 0)"
    connection.execute(f"DELETE FROM segments WHERE number IN {empty}")
    connection.execute("DELETE FROM sealed WHERE segment NOT IN (SELECT number FROM segments)")


def _portions(traces: Sequence[Filed]) -> Iterator[list[Filed]]:
    some: list[Filed] = []
    for filed in traces:
        some.append(filed)
        if sum(len(each.spans) for each in some) >= _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
