"""Which spans count in sums, whichever of two that tell of one call comes first.

A call that is below another one and above a third may be in a circle (``kernel/span_sums.py``): only of such a span the
way upwards is followed. Every circle that is closed has one among the spans that close it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from switchgear.engines.sqlite_spans.reading import Kept, whole_spans
from switchgear.engines.sqlite_spans.rollups import Rollups
from switchgear.engines.sqlite_spans.summary import Summary
from switchgear.kernel.span import Span
from switchgear.kernel.span_sums import MODEL_CALLS, circles, outdoes, tells_usage

_CHILDREN: Final = (
    "SELECT 1 FROM spans WHERE trace = ? AND parent_id = ? AND kind = ? AND input_tokens IS NOT NULL "
    "AND span_id NOT IN (?, ?) LIMIT 1"
)
_PARENT: Final = "SELECT counts FROM spans WHERE trace = ? AND span_id = ? AND kind = ? AND input_tokens IS NOT NULL"
_CALL: Final = (
    "SELECT parent_id, kind, started_ns FROM spans WHERE trace = ? AND span_id = ? AND input_tokens IS NOT NULL"
)


class _Call(NamedTuple):
    """A span that says what was used."""

    parent_id: str
    kind: str
    started_ns: int


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

    def has_inner(self, span: Span, but: str = "") -> bool:
        """Whether a span below it tells of the same call, beside one that is named."""
        asked = (self._trace, span.span_id, span.kind, span.span_id, but)
        return self._connection.execute(_CHILDREN, asked).fetchone() is not None

    def outdo_parent(self, span: Span) -> bool:
        """The span above that tells of the same call counts no longer; whether there is one."""
        row = self._parent(span)
        if row is not None and row[0]:
            self._set(span.parent_id, counts=False)
        return row is not None

    def let_parents_count(self, gone: Sequence[Kept]) -> None:
        """Spans were taken out: those above them that have no other below count again."""
        opened: list[str] = []
        at_hand = {kept.span.span_id: kept.span for kept in gone}
        for kept in gone:
            span = kept.span
            row = self._parent(span) if tells_usage(span) else None
            above = at_hand.get(span.parent_id)
            if not kept.counts and (row is not None or (above is not None and outdoes(span, above))):
                opened.append(span.span_id)
            if row is not None and not row[0]:
                self._set(span.parent_id, counts=True)
        # Where a circle was, the one that counted in it is outdone, unless one of the two is gone.
        for first, last, *others in _Ways(at_hand, self).circles(opened):
            if not at_hand.keys().isdisjoint(others) and at_hand.keys().isdisjoint((first, last)):
                self._set(last, counts=False)

    def close_circle(self, first: str, last: str, fresh: Iterable[Span]) -> None:
        """``last`` counts, for the one below it, ``first``, outdoes none; unless it is outdone by another, also new."""
        (kept,) = whole_spans(self._connection, self._trace, self._name, (last,))
        if not _has_inner(kept.span, first, fresh):
            self._set(last, counts=True, but=first)

    def call(self, span_id: str) -> _Call | None:
        """A span, where it tells what was used."""
        row = self._connection.execute(_CALL, (self._trace, span_id)).fetchone()
        return None if row is None or row[1] not in MODEL_CALLS else _Call(*row)

    def _parent(self, span: Span) -> tuple[int] | None:
        if not span.parent_id or span.parent_id == span.span_id:
            return None
        return self._connection.execute(_PARENT, (self._trace, span.parent_id, span.kind)).fetchone()

    def _set(self, span_id: str, *, counts: bool, but: str = "") -> None:
        (kept,) = whole_spans(self._connection, self._trace, self._name, (span_id,))
        if kept.counts == counts or (counts and not self._may_count(kept.span, but)):
            return
        self._connection.execute("UPDATE spans SET counts = ? WHERE id = ?", (counts, kept.number))
        sign = 1 if counts else -1
        self._rollups.add_sums(self._project, kept.span, sign)
        if self.summary is not None:
            self.summary.add_sums(kept.span, sign)

    def _may_count(self, span: Span, but: str) -> bool:
        if not span.counted:
            return False
        if not self.has_inner(span, but):
            return True
        # What is below it may be the first of a circle.
        first, last = next(_Ways({}, self).circles((span.span_id,)), ("", ""))[:2]
        return last == span.span_id and not self.has_inner(span, first)


class _Ways:
    """Ways from calls up to those that they outdo: among some spans, then among those in the tables."""

    def __init__(self, at_hand: Mapping[str, Span], kept: TraceCounting | None) -> None:
        self._at_hand = at_hand
        self._kept = kept
        self._known: dict[str, _Call | None] = {}

    def circles(self, span_ids: Iterable[str]) -> Iterator[Sequence[str]]:
        """Each circle that the spans are in or below: first the one that outdoes none, then those above it in turn."""
        for circle in circles(span_ids, self._above):
            _, first = min((call.started_ns, span_id) for span_id in circle if (call := self._call(span_id)))
            place = circle.index(first)
            yield circle[place:] + circle[:place]

    def _above(self, span_id: str) -> str | None:
        call = self._call(span_id)
        if call is None or call.parent_id in {"", span_id}:
            return None
        above = self._call(call.parent_id)
        return None if above is None or above.kind != call.kind else call.parent_id

    def _call(self, span_id: str) -> _Call | None:
        if span_id not in self._known:
            span = self._at_hand.get(span_id)
            if span is not None:
                told = _Call(span.parent_id, span.kind, span.started_ns) if tells_usage(span) else None
            else:
                told = None if self._kept is None else self._kept.call(span_id)
            self._known[span_id] = told
        return self._known[span_id]


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
        outdoing: list[str] = []
        for span in fresh.values():
            if not tells_usage(span):
                continue
            above = fresh.get(span.parent_id)
            if above is None:
                if kept is not None and kept.outdo_parent(span):
                    outdoing.append(span.span_id)
            elif above is not span and tells_usage(above) and above.kind == span.kind:
                outdone.add(above.span_id)
                outdoing.append(span.span_id)
            if kept is not None and kept.has_inner(span):
                outdone.add(span.span_id)
        if outdoing and not outdone.isdisjoint(outdoing):
            _close_circles(fresh, kept, outdone, [span_id for span_id in outdoing if span_id in outdone])
        return outdone


def _close_circles(
    fresh: Mapping[str, Span], kept: TraceCounting | None, outdone: set[str], suspects: Sequence[str]
) -> None:
    """In each circle one span counts after all."""
    for first, last, *_ in _Ways(fresh, kept).circles(suspects):
        span = fresh.get(last)
        if span is None:
            assert kept is not None
            kept.close_circle(first, last, fresh.values())
        elif not _has_inner(span, first, fresh.values()) and (kept is None or not kept.has_inner(span, first)):
            outdone.discard(last)


def _has_inner(span: Span, but: str, others: Iterable[Span]) -> bool:
    return any(other.parent_id == span.span_id and other.span_id != but and outdoes(other, span) for other in others)
