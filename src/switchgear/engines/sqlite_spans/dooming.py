"""Which traces a deletion means."""

import sqlite3
from typing import Final

from switchgear.engines.sqlite_spans.sealed_tables import Sealed, WithoutDuckDb, segments_for
from switchgear.kernel.query import MOST_INTEGER, Doomed, Find, Window

_AT_ONCE: Final = 100
_BY_ID: Final = "t.trace_id IN ({marks})"
_BY_USER: Final = "t.id IN (SELECT s.trace FROM spans s WHERE s.project = t.project AND s.user = ?)"
_BY_AGE: Final = "t.started_ns < ? AND t.ended_ns < ?"
_IN_TABLES: Final = "t.id NOT IN (SELECT z.trace FROM sealed z WHERE z.state = 'here')"


def doomed_traces(
    connection: sqlite3.Connection, doomed: Doomed, sealed: Sealed | None = None
) -> list[tuple[int, int, tuple[str, str]]]:
    """Some of them, until there is none: numbers of project and trace, and names.

    Where nothing can read what is sealed, age dooms what is not; a user's traces cannot be found then (OSError).
    """
    found: list[tuple[int, int, tuple[str, str]]] = []
    for at in range(0, len(doomed.trace_ids), _AT_ONCE):
        some = doomed.trace_ids[at : at + _AT_ONCE]
        found = _traces(connection, doomed.project, _BY_ID.format(marks=", ".join("?" * len(some))), some)
        if found:
            return found
    if doomed.user:
        found = _traces(connection, doomed.project, _BY_USER, (doomed.user,)) or _sealed_of_user(
            connection, doomed, sealed
        )
    if not found and doomed.before_ns:
        condition = _BY_AGE if sealed is not None else f"{_BY_AGE} AND {_IN_TABLES}"
        found = _traces(connection, doomed.project, condition, (doomed.before_ns, doomed.before_ns))
    return found


def _sealed_of_user(
    connection: sqlite3.Connection, doomed: Doomed, sealed: Sealed | None
) -> list[tuple[int, int, tuple[str, str]]]:
    everything = Window(project=doomed.project, since_ns=-MOST_INTEGER, until_ns=MOST_INTEGER)
    segments = segments_for(connection, Find(window=everything))
    if not segments:
        return []
    if sealed is None:
        raise WithoutDuckDb
    traces = sealed.traces_of_user(segments, doomed.user, _AT_ONCE)
    return _traces(connection, doomed.project, f"t.id IN ({', '.join('?' * len(traces))})", tuple(traces))


def _traces(
    connection: sqlite3.Connection, project: str, condition: str, bound: tuple[str | int, ...]
) -> list[tuple[int, int, tuple[str, str]]]:
    rows = connection.execute(
        "SELECT t.project, t.id, t.trace_id FROM traces t JOIN projects p ON p.id = t.project "
        f"WHERE p.name = ? AND {condition} LIMIT ?",
        (project, *bound, _AT_ONCE),
    )
    return [(number, trace, (project, trace_id)) for number, trace, trace_id in rows]
