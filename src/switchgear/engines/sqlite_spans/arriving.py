"""Spans in the order in which they arrived: their numbers grow, and one thread gives them.

A position beyond the last span, which an older copy of the file may have, is taken for the last one.
"""

import sqlite3
from typing import Final

from switchgear.engines.sqlite_spans.numbers import LAST_SPAN
from switchgear.engines.sqlite_spans.reading import whole_spans
from switchgear.kernel.ports import Arrived
from switchgear.kernel.span import Span

_NEXT: Final = (
    "SELECT s.id, s.trace, s.span_id, p.name, t.trace_id FROM spans s JOIN traces t ON t.id = s.trace "
    "JOIN projects p ON p.id = s.project WHERE s.id > ? ORDER BY s.id LIMIT ?"
)
_BARE_BYTES: Final = 1_000
_VALUE_BYTES: Final = 32


def arrived_spans(connection: sqlite3.Connection, after: int, most: int, most_bytes: int) -> Arrived:
    """Those behind a position, up to both bounds."""
    (last,) = connection.execute(LAST_SPAN).fetchone()
    newest = int(last)
    position = min(after, newest)
    spans: list[Span] = []
    taken_bytes = 0
    rows = connection.execute(_NEXT, (position, most)).fetchall() if most else []
    for number, trace, span_id, project, trace_id in rows:
        kept = next(whole_spans(connection, trace, (project, trace_id), [span_id]))
        taken_bytes += _size(kept.span)
        if spans and taken_bytes > most_bytes:
            break
        spans.append(kept.span)
        position = int(number)
    return Arrived(spans=tuple(spans), position=position, newest=newest, behind=newest - position)


def _size(span: Span) -> int:
    """About how many bytes it takes."""
    values = (*span.attributes.items(), *span.resource.items(), *span.metadata.items())
    told = sum(len(name) + _VALUE_BYTES + len(str(value)) for name, value in values)
    said = sum(map(len, (*span.input.parts, *span.output.parts)))
    events = sum(_VALUE_BYTES + len(str(event.attributes)) for event in span.events)
    return _BARE_BYTES + told + said + events
