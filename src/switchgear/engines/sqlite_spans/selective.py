"""Which of two ways to find traces is the quicker one: from the spans that fit, or trace by trace, newest first."""

import sqlite3
from typing import Final

from switchgear.engines.sqlite_spans.facets import FACETS, TAG
from switchgear.kernel.query import Compare, Every, Filter, Noted, OneOf, Said, Tagged

_FEW: Final = 20_000
_RARE: Final = 2_000
_NAMES: Final = ("trace_id", "span_id", "session", "call_id")
"""Few spans have one value of these."""


def is_selective(connection: sqlite3.Connection, project: str, where: Filter) -> bool:
    """Whether few spans fit, and an index knows them."""
    match where:
        case Every():
            return any(is_selective(connection, project, each) for each in where.filters)
        case Said() | Noted():
            return True
        case Tagged():
            return _count(connection, project, TAG, where.name) <= _FEW
        case Compare():
            return where.op == "==" and _is_few(connection, project, where.field, [where.value])
        case OneOf():
            return _is_few(connection, project, where.field, list(where.values))
        case _:
            return False


def is_rare(connection: sqlite3.Connection, project: str, where: Filter | None) -> bool:
    """Whether so few spans fit that all their traces are sooner put in order than looked for in it."""
    match where:
        case Every():
            return any(is_rare(connection, project, each) for each in where.filters)
        case Compare():
            return where.op == "==" and _is_few(connection, project, where.field, [where.value], _RARE)
        case OneOf():
            return _is_few(connection, project, where.field, list(where.values), _RARE)
        case _:
            return False


def _is_few(
    connection: sqlite3.Connection, project: str, field: str, values: list[str | int], most: int = _FEW
) -> bool:
    if field in _NAMES:
        return "" not in values
    if field not in FACETS:
        return False
    return sum(_count(connection, project, field, str(value)) for value in values) <= most


def _count(connection: sqlite3.Connection, project: str, field: str, value: str) -> int:
    row = connection.execute(
        "SELECT f.count FROM facets f JOIN projects p ON p.id = f.project WHERE p.name = ? AND f.field = ? "
        "AND f.value = ?",
        (project, field, value),
    ).fetchone()
    return int(row[0]) if row else 0
