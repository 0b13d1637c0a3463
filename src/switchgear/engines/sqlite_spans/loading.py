"""Spans of traces that are over go straight into segments, as if they had been written and then sealed.

Their numbers are given in one transaction, the files are written and synced, and a second transaction names the segment
and tells its traces to every table that keeps something of sealed ones. A kill leaves a segment that is there for every
question, or files that no table names. A trace that is known already, or becomes known meanwhile, is written as from
any sender, and so is one that is too large for a segment.
"""

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.gathering import Trace, gathered
from switchgear.engines.sqlite_spans.making import (
    MOST_SPANS,
    Closed,
    Place,
    Segments,
    day_of,
    next_number,
    times_of,
)
from switchgear.engines.sqlite_spans.sealed_tables import set_state
from switchgear.engines.sqlite_spans.sealing import name_segment
from switchgear.engines.sqlite_spans.writer import Writer
from switchgear.engines.sqlite_spans.writing import Name, Writing
from switchgear.kernel.span import Span

_AT_ONCE: Final = 5_000
"""Spans of known traces that are written in one transaction."""


class Loading:
    """Loads into one store; ``turns`` is held while a segment is written, so that nobody sweeps its files away."""

    def __init__(self, path: Path, writer: Writer, segments: Segments, turns: threading.Lock) -> None:
        self._path = path
        self._writer = writer
        self._segments = segments
        self._turns = turns

    def load(self, spans: Iterable[Span], now_ns: int) -> int:
        """How many were new; those of one trace should come near each other. Raises OSError."""
        with failures(self._path):
            return sum(self._load(traces, now_ns) for traces in gathered(spans))

    def _load(self, traces: dict[Name, Trace], now_ns: int) -> int:
        with self._turns:
            sealed = self._sealed(traces, now_ns)
        rest = [span for name, trace in traces.items() if name not in sealed for span in trace.values()]
        count = sum(len(traces[name]) for name in sealed)
        for at in range(0, len(rest), _AT_ONCE):
            count += self._writer.write(rest[at : at + _AT_ONCE], replace=False).result()
        return count

    def _sealed(self, traces: Mapping[Name, Trace], now_ns: int) -> set[Name]:
        """Those of some traces that could be sealed at once."""
        small = {name: trace for name, trace in traces.items() if len(trace) <= MOST_SPANS}
        place, closed = self._writer.work(lambda connection, writing: _numbered(connection, writing, small, now_ns))
        if place is None:
            return set()
        file = self._segments.write(place, list(closed.values()))
        return self._writer.work(lambda connection, writing: _told(connection, writing, (place, file), closed))


def _numbered(
    connection: sqlite3.Connection, writing: Writing, traces: Mapping[Name, Trace], now_ns: int
) -> tuple[Place | None, dict[Name, Closed]]:
    """Those that are not known yet, with numbers that nobody else gets; where they are to lie."""
    closed: dict[Name, Closed] = {}
    project_number = 0
    for name, trace in traces.items():
        numbered = writing.numbered(name, trace)
        if numbered is not None:
            project_number, number, spans = numbered
            started_ns = min(kept.span.started_ns for kept in spans)
            closed[name] = Closed(number, name[1], started_ns, spans[-1].number, spans)
    if not closed:
        return None, closed
    # What is numbered behind these was written later: a mark of an earlier time would say otherwise.
    connection.execute(
        "INSERT OR REPLACE INTO marks (at_ns, span) SELECT max(?, coalesce(max(at_ns), 0)), ? FROM marks",
        (now_ns, writing.last_span()),
    )
    first = next(iter(closed))
    return Place(first[0], project_number, day_of(closed[first].started_ns), next_number(connection)), closed


def _told(
    connection: sqlite3.Connection, writing: Writing, place: tuple[Place, str], closed: Mapping[Name, Closed]
) -> set[Name]:
    """Name a segment, and tell those of its traces that are still not known to the tables."""
    segment, file = place
    spans = {trace.trace: len(trace.spans) for trace in closed.values()}
    name_segment(connection, segment, file, times_of(list(closed.values())), spans)
    told: set[Name] = set()
    for name, trace in closed.items():
        if writing.tell(segment.project_number, trace.trace, name, trace.spans):
            set_state(connection, segment.number, trace.trace, "here")
            told.add(name)
    writing.bring_into_tables()
    return told
