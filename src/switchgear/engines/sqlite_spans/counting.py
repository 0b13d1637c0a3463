"""Which spans count in sums, whichever of two that tell of one call comes first."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

from switchgear.engines.sqlite_spans.reading import Kept, whole_spans
from switchgear.engines.sqlite_spans.rollups import Rollups
from switchgear.engines.sqlite_spans.summary import Summary
from switchgear.kernel.span import Span
from switchgear.kernel.span_sums import tells_usage

_CHILDREN: Final = (
    "SELECT 1 FROM spans WHERE trace = ? AND parent_id = ? AND kind = ? AND input_tokens IS NOT NULL "
    "AND span_id <> ? LIMIT 1"
)
_PARENT: Final = "SELECT counts FROM spans WHERE trace = ? AND span_id = ? AND kind = ? AND input_tokens IS NOT NULL"


class TraceCounting:
    """The spans of one trace that the store has already."""

    def __init__(
        self, connection: sqlite3.Connection, rollups: Rollups, numbers: tuple[int, int], name: tuple[str, str]
    ) -> None:
        self._connection = connection
        self._rollups = rollups
        self._project, self._trace = numbers
        self._name = name
        self.summary: Summary | None = None

    def has_inner(self, span: Span) -> bool:
        """Whether a span below it tells of the same call."""
        row = self._connection.execute(_CHILDREN, (self._trace, span.span_id, span.kind, span.span_id)).fetchone()
        return row is not None

    def outdo_parent(self, span: Span) -> None:
        """The span above that tells of the same call counts no longer."""
        row = self._parent(span)
        if row is not None and row[0]:
            self._set(span.parent_id, counts=False)

    def let_parents_count(self, gone: Iterable[Span]) -> None:
        """Spans were taken out: those above them that have no other below count again."""
        for span in gone:
            row = self._parent(span) if tells_usage(span) and span.parent_id != span.span_id else None
            if row is None or row[0]:
                continue
            self._set(span.parent_id, counts=True)

    def _parent(self, span: Span) -> tuple[int] | None:
        if not span.parent_id or span.parent_id == span.span_id:
            return None
        return self._connection.execute(_PARENT, (self._trace, span.parent_id, span.kind)).fetchone()

    def _set(self, span_id: str, *, counts: bool) -> None:
        (kept,) = whole_spans(self._connection, self._trace, self._name, (span_id,))
        if counts and not self._may_count(kept):
            return
        self._connection.execute("UPDATE spans SET counts = ? WHERE id = ?", (counts, kept.number))
        sign = 1 if counts else -1
        self._rollups.add_sums(self._project, kept.span, sign)
        if self.summary is not None:
            self.summary.add_sums(kept.span, sign)

    def _may_count(self, kept: Kept) -> bool:
        return kept.span.counted and not self.has_inner(kept.span)


class Counting:
    """Finds out who counts, and changes those who no longer do."""

    def __init__(self, connection: sqlite3.Connection, rollups: Rollups) -> None:
        self._connection = connection
        self._rollups = rollups

    def of_trace(self, project: int, trace: int, name: tuple[str, str], summary: Summary | None) -> TraceCounting:
        """``summary`` is changed with the spans; None: it is made anew afterwards."""
        counting = TraceCounting(self._connection, self._rollups, (project, trace), name)
        counting.summary = summary
        return counting

    def outdone_among(self, fresh: Mapping[str, Span], kept: TraceCounting | None) -> set[str]:
        """Ids of new spans that do not count; kept ones that do no longer are changed."""
        outdone: set[str] = set()
        for span in fresh.values():
            if not tells_usage(span):
                continue
            above = fresh.get(span.parent_id)
            if above is None:
                if kept is not None:
                    kept.outdo_parent(span)
            elif above is not span and tells_usage(above) and above.kind == span.kind:
                outdone.add(above.span_id)
            if kept is not None and kept.has_inner(span):
                outdone.add(span.span_id)
        return outdone
