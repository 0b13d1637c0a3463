"""Where an aggregate's answer is read: facets, rollups, or the spans themselves."""

import sqlite3
from collections.abc import Callable
from typing import Final

from switchgear.engines.sqlite_spans.facets import FACETS
from switchgear.engines.sqlite_spans.measuring import Table, arranged, scanned
from switchgear.engines.sqlite_spans.rolled import can_be_rolled, rolled
from switchgear.kernel.query import Aggregate, Group

_BEGINNING_NS: Final = 0
_END_NS: Final = 2**62
"""Whoever asks from nought to here or later means all time."""


Scan = Callable[[sqlite3.Connection, Aggregate], list[Group]]


def aggregated(connection: sqlite3.Connection, question: Aggregate, scan: Scan = scanned) -> list[Group]:
    """The groups of a question; ``scan`` looks at each span."""
    if _is_of_facets(question):
        return _from_facets(connection, question)
    return rolled(connection, question) if can_be_rolled(question) else scan(connection, question)


def _is_of_facets(question: Aggregate) -> bool:
    """Whether it asks what values a field has, and how often: what a filter offers."""
    window = question.window
    return (
        len(question.by) == 1
        and question.by[0] in FACETS
        and question.where is None
        and question.bucket is None
        and [measure.reduction for measure in question.measures] == ["count"]
        and window.since_ns <= _BEGINNING_NS
        and window.until_ns >= _END_NS
    )


def _from_facets(connection: sqlite3.Connection, question: Aggregate) -> list[Group]:
    rows = connection.execute(
        "SELECT f.value, f.count FROM facets f JOIN projects p ON p.id = f.project WHERE p.name = ? AND f.field = ?",
        (question.window.project, question.by[0]),
    )
    table: Table = {((value,), None): [count] for value, count in rows}
    return arranged(question, table, {values: measures[0] for (values, _), measures in table.items()})
