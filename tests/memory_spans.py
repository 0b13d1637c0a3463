"""Spans in dictionaries, and every question answered by looking at all of them.

For tests of what stands above a store; what an engine must answer is `testing/trace_store_contract.py`'s to say.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from switchgear.engines.span_sql.pages import place_in
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group, SpanRow, TraceRow
from switchgear.kernel.span import Span
from switchgear.testing.trace_store_model import PlainTraces

Row = TypeVar("Row", SpanRow, TraceRow)


class MemorySpans:
    """A TraceStore that forgets everything with its process."""

    def __init__(self) -> None:
        self._model = PlainTraces()

    async def start(self) -> None:
        """Nothing is to be opened."""

    async def aclose(self) -> None:
        """Nothing is to be closed."""

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        return self._model.write(spans, replace=replace)

    async def find(self, question: Find) -> Found:
        spans, traces = self._model.found(structs.replace(question, limit=sys.maxsize))
        if question.of == "spans":
            page, after = _page(spans, question)
            return Found(spans=page, after=after)
        listed, after = _page(traces, question)
        return Found(traces=listed, after=after)

    async def aggregate(self, question: Aggregate) -> list[Group]:
        return self._model.aggregated(question)

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        return self._model.read(project, trace_id, span_ids)

    async def delete(self, doomed: Doomed) -> int:
        return self._model.delete(doomed)


def _place(row: SpanRow | TraceRow) -> tuple[int | str, ...]:
    ids = (row.trace_id, row.span_id) if isinstance(row, SpanRow) else (row.trace_id,)
    return (row.started_ns, *ids)


def _page(rows: Sequence[Row], question: Find) -> tuple[tuple[Row, ...], str]:
    """What stands behind the cursor, and the cursor behind it. Raises BadRequest for a cursor that is none."""
    after = place_in(question.after, 3 if question.of == "spans" else 2)
    if after is not None:
        rows = [row for row in rows if (_place(row) < after if question.newest_first else _place(row) > after)]
    page = tuple(rows[: question.limit])
    more = len(rows) > len(page)
    return page, ".".join(map(str, _place(page[-1]))) if more and page else ""


if TYPE_CHECKING:
    _: type[TraceStore] = MemorySpans
