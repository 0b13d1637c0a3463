"""Which traces a deletion means."""

import sqlite3
from typing import Final

from switchgear.kernel.query import Doomed

_AT_ONCE: Final = 100
_BY_ID: Final = "t.trace_id IN ({marks})"
_BY_USER: Final = "t.id IN (SELECT s.trace FROM spans s WHERE s.project = t.project AND s.user = ?)"
_BY_AGE: Final = "t.started_ns < ? AND t.ended_ns < ?"


def doomed_traces(connection: sqlite3.Connection, doomed: Doomed) -> list[tuple[int, int, tuple[str, str]]]:
    """Some of them, until there is none: numbers of project and trace, and names."""
    found: list[tuple[int, int, tuple[str, str]]] = []
    for at in range(0, len(doomed.trace_ids), _AT_ONCE):
        some = doomed.trace_ids[at : at + _AT_ONCE]
        found = _traces(connection, doomed.project, _BY_ID.format(marks=", ".join("?" * len(some))), some)
        if found:
            return found
    if doomed.user:
        found = _traces(connection, doomed.project, _BY_USER, (doomed.user,))
    if not found and doomed.before_ns:
        found = _traces(connection, doomed.project, _BY_AGE, (doomed.before_ns, doomed.before_ns))
    return found


def _traces(
    connection: sqlite3.Connection, project: str, condition: str, bound: tuple[str | int, ...]
) -> list[tuple[int, int, tuple[str, str]]]:
    rows = connection.execute(
        "SELECT t.project, t.id, t.trace_id FROM traces t JOIN projects p ON p.id = t.project "
        f"WHERE p.name = ? AND {condition} LIMIT ?",
        (project, *bound, _AT_ONCE),
    )
    return [(number, trace, (project, trace_id)) for number, trace, trace_id in rows]
