"""What the file of the trace store knows of spans that lie sealed beside it.

A trace lies wholly in the tables, or wholly in one segment. Table ``sealed`` names the traces that a segment's files
hold, and what became of each: only one that is ``here`` is read there; ``left`` lies in the tables (still, or again);
``erased`` and ``aged`` were deleted. ``marks`` holds which span was the last at which time, so that nothing that was
written lately is taken for closed.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct, structs

from switchgear.engines.sqlite_spans.reading import Kept
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.query import Aggregate, Compare, Every, Filter, Find, Found, Group

SEALED_TABLES: Final = """
CREATE TABLE segments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, name TEXT NOT NULL,
    first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL
);
CREATE INDEX segments_by_time ON segments (project, first_ns);
CREATE TABLE sealed (
    segment INTEGER NOT NULL, trace INTEGER NOT NULL, spans INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (segment, trace)
) WITHOUT ROWID;
CREATE UNIQUE INDEX sealed_by_trace ON sealed (trace) WHERE state = 'here';
CREATE TABLE marks (at_ns INTEGER PRIMARY KEY, span INTEGER NOT NULL);
"""
LEFT_BY_TRACE: Final = "CREATE INDEX left_by_trace ON sealed (trace) WHERE state = 'left';"
State = Literal["here", "left", "erased", "aged"]
WITHOUT_DUCKDB: Final = (
    "these spans are sealed, and DuckDB, which reads them, is not installed: pip install 'switchgear[duckdb]', "
    "or ask for a later time"
)


class WithoutDuckDb(ConfigError, OSError):
    """Sealed spans are asked for, and nothing here can read them: people are told which extra is missing."""

    def __init__(self) -> None:
        super().__init__(WITHOUT_DUCKDB)


class BrokenSegment(OSError):
    """Files of sealed spans do not hold what they should: asking again does not help."""


_PROJECT: Final = "(SELECT p.id FROM projects p WHERE p.name = ?)"


class Segment(Struct, frozen=True):
    """Files of sealed spans, and the traces in them that are no longer to be read there."""

    number: int
    name: str
    first_ns: int
    last_ns: int
    """Between these its spans began, and so did its traces."""
    gone: tuple[int, ...] = ()
    trace: int = 0
    """Only this trace is asked for; 0: any."""


class Look(Struct, frozen=True, kw_only=True):
    """How the files of a segment are."""

    size_bytes: int
    fault: str
    """Empty: none was found."""


class ListedSegment(Struct, frozen=True, kw_only=True):
    """A segment, what is still to be read in it, and how its files are."""

    name: str
    project: str
    first_ns: int
    last_ns: int
    traces: int
    spans: int
    size_bytes: int
    fault: str


class Away(Struct, frozen=True, array_like=True):
    """What has to go with a span that leaves the tables."""

    number: int
    contents: tuple[int, ...]
    labels: tuple[int, ...]


class Sealed(Protocol):
    """Where sealed spans are read. All methods raise OSError when files are missing or broken."""

    def find(self, connection: sqlite3.Connection, question: Find, segments: Sequence[Segment]) -> Found:
        """A page of both tiers."""
        ...

    def scan(self, connection: sqlite3.Connection, question: Aggregate, segments: Sequence[Segment]) -> list[Group]:
        """Groups of both tiers."""
        ...

    def kept(
        self, segment: str, trace: int, names: tuple[str, str], span_ids: Sequence[str] | None = None
    ) -> list[Kept]:
        """Whole spans of a trace, or some of them."""
        ...

    def bare(self, segment: str, traces: Mapping[int, tuple[str, str]]) -> list[Kept]:
        """All spans of some traces (names of project and trace by number), as far as columns tell."""
        ...

    def traces_of_user(self, segments: Sequence[Segment], user: str, limit: int) -> list[int]:
        """Numbers of traces in which a span names the user."""
        ...


def segment_of(connection: sqlite3.Connection, trace: int) -> Segment | None:
    """The segment in which a trace lies; None of one that lies in the tables."""
    found = connection.execute(
        "SELECT g.number, g.name, g.first_ns, g.last_ns FROM sealed z JOIN segments g ON g.number = z.segment "
        "WHERE z.trace = ? AND z.state = 'here'",
        (trace,),
    ).fetchone()
    return None if found is None else Segment(*found, trace=trace)


def segments_for(connection: sqlite3.Connection, question: Find | Aggregate) -> list[Segment]:
    """Those without whose rows a question cannot be answered."""
    window, where = question.window, question.where
    if where is None and isinstance(question, Find) and question.of == "traces":
        # Of traces that began within the window, their own table knows enough.
        window = structs.replace(window, until_ns=min(window.until_ns, window.since_ns))
    trace_id = _one_trace(where)
    if trace_id is not None:
        found = connection.execute(
            f"SELECT id FROM traces WHERE project = {_PROJECT} AND trace_id = ?", (window.project, trace_id)
        ).fetchone()
        place = segment_of(connection, found[0]) if found else None
        return [] if place is None else [place]
    rows = connection.execute(
        f"SELECT number, name, first_ns, last_ns FROM segments WHERE project = {_PROJECT} "
        "AND first_ns < ? AND last_ns >= ?",
        (window.project, window.until_ns, window.since_ns),
    ).fetchall()
    return [Segment(*row, gone=_gone(connection, row[0])) for row in rows]


def all_segments(connection: sqlite3.Connection) -> list[tuple[str, Segment]]:
    """Each with its project's name, the oldest first."""
    rows = connection.execute(
        "SELECT p.name, g.number, g.name, g.first_ns, g.last_ns FROM segments g JOIN projects p ON p.id = g.project "
        "ORDER BY g.first_ns, g.number"
    )
    return [(project, Segment(*rest)) for project, *rest in rows]


def spans_here(connection: sqlite3.Connection, segment: int) -> dict[int, int]:
    """How many spans of each trace that is read in a segment."""
    found = connection.execute("SELECT trace, spans FROM sealed WHERE segment = ? AND state = 'here'", (segment,))
    return dict(found.fetchall())


def ids_here(connection: sqlite3.Connection, segment: str) -> list[str]:
    """Ids of these traces."""
    rows = connection.execute(
        "SELECT t.trace_id FROM segments g JOIN sealed z ON z.segment = g.number JOIN traces t ON t.id = z.trace "
        "WHERE g.name = ? AND z.state = 'here'",
        (segment,),
    )
    return [trace_id for (trace_id,) in rows]


def set_state(connection: sqlite3.Connection, segment: int, trace: int, state: State) -> None:
    connection.execute("UPDATE sealed SET state = ? WHERE segment = ? AND trace = ?", (state, segment, trace))


def count_of(connection: sqlite3.Connection, segment: int, traces: Iterable[int]) -> int:
    """How many spans of some traces a segment took."""
    find = "SELECT spans FROM sealed WHERE segment = ? AND trace = ?"
    return sum(count for trace in traces for (count,) in connection.execute(find, (segment, trace)))


def forget_left(connection: sqlite3.Connection, trace: int, state: State) -> None:
    """A trace is deleted: no file is to keep what it once held of it."""
    connection.execute("UPDATE sealed SET state = ? WHERE trace = ? AND state = 'left'", (state, trace))


def _gone(connection: sqlite3.Connection, segment: int) -> tuple[int, ...]:
    rows = connection.execute("SELECT trace FROM sealed WHERE segment = ? AND state <> 'here'", (segment,))
    return tuple(trace for (trace,) in rows)


def _one_trace(where: Filter | None) -> str | None:
    if isinstance(where, Every):
        return next((found for each in where.filters if (found := _one_trace(each)) is not None), None)
    if isinstance(where, Compare) and where.field == "trace_id" and where.op == "==":
        return str(where.value)
    return None
