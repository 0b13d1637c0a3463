"""Calls whose parents go in a circle: which of them outdo none (``kernel/span_sums.py``).

SQL has no cheap word for it, so that it is found out from the few spans of traces that may have a circle.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from switchgear.engines.span_sql.dialect import Asking, Source, Writing
from switchgear.engines.span_sql.filters import TELLS
from switchgear.kernel.span_sums import circles

_Name = tuple[str, str]
"""A trace's id, and a span's."""


def with_circles(project: str, source: Source) -> Asking[Source]:
    """The source, knowing who outdoes none."""
    writing = Writing(source)
    ours = f"project = {writing.bind(project)}"
    among = f"SELECT trace_id FROM {source.circles or source.relation} WHERE {ours}"
    rows = yield writing.finished(
        f"SELECT trace_id, span_id, parent_id, kind, started_ns FROM {source.relation} WHERE {ours} AND {TELLS} "
        f"AND parent_id <> '' AND parent_id <> span_id AND trace_id IN ({among})"
    )
    return replace(source, outdoing_none=tuple(_outdoing_none(rows)))


def _outdoing_none(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Ids of traces and spans, one behind the other."""
    calls = {(row[0], row[1]): row for row in rows}

    def above(name: _Name) -> _Name | None:
        parent = (name[0], calls[name][2])
        return parent if parent in calls and calls[parent][3] == calls[name][3] else None

    firsts = (min(circle, key=lambda name: (calls[name][4], name)) for circle in circles(calls, above))
    return sorted("".join(first) for first in firsts)
