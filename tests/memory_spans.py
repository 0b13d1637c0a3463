"""Spans in a dictionary, and every question answered by looking at all of them.

For tests of what stands above a store; what an engine must answer is `testing/trace_store_contract.py`'s to say.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from math import ceil
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from msgspec import MsgspecError, json

from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import (
    Aggregate,
    Bucket,
    Compare,
    Comparison,
    Doomed,
    Either,
    Every,
    Filter,
    Find,
    Found,
    Group,
    Measure,
    Not,
    Noted,
    OneOf,
    Said,
    SpanRow,
    StartsWith,
    Tagged,
    TraceRow,
    Window,
)
from switchgear.kernel.span import Content, Span

Value = str | int | bool | None
Item = TypeVar("Item")
Place = tuple[int, str, str]
"""Where something stands in a list."""
_WORD: Final = re.compile(r"[^\W_]+")
_OPERATIONS: Final[Mapping[Comparison, Callable[[Any, Any], bool]]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_BUCKET_NS: Final[Mapping[Bucket, int]] = {
    "minute": 60_000_000_000,
    "hour": 3_600_000_000_000,
    "day": 86_400_000_000_000,
}


class MemorySpans:
    """A TraceStore that forgets everything with its process."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, str, str], Span] = {}

    async def start(self) -> None:
        """Nothing is to be opened."""

    async def aclose(self) -> None:
        """Nothing is to be closed."""

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        known = len(self._spans)
        for span in spans:
            name = (span.project, span.trace_id, span.span_id)
            if replace or name not in self._spans:
                self._spans[name] = span
        return len(self._spans) - known

    async def find(self, question: Find) -> Found:
        fitting = self._fitting(question.window, question.where)
        if question.of == "spans":
            page, after = _page([((span.started_ns, span.trace_id, span.span_id), span) for span in fitting], question)
            return Found(spans=tuple(self._span_row(span) for span in page), after=after)
        traces = {span.trace_id for span in fitting}
        rows = [self._trace_row(question.window.project, trace_id) for trace_id in traces]
        found, after = _page([((row.started_ns, row.trace_id, ""), row) for row in rows], question)
        return Found(traces=tuple(found), after=after)

    async def aggregate(self, question: Aggregate) -> list[Group]:
        groups: dict[tuple[Value, ...], list[Span]] = {}
        for span in self._fitting(question.window, question.where):
            groups.setdefault(tuple(_field(span, name) for name in question.by), []).append(span)
        if not question.by:
            groups.setdefault((), [])
        first = question.measures[0]
        ranked = sorted(groups.items(), key=lambda group: (_rank(_measured(first, group[1])), _text_key(group[0])))
        return [line for values, spans in ranked[: question.limit] for line in _lines(values, spans, question)]

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        found = (self._spans.get((project, trace_id, span_id)) for span_id in span_ids)
        return [span for span in found if span is not None]

    async def delete(self, doomed: Doomed) -> int:
        gone = [
            name
            for name, span in self._spans.items()
            if span.project == doomed.project
            and (
                span.trace_id in doomed.trace_ids
                or (doomed.user != "" and span.user == doomed.user)
                or span.ended_ns < doomed.before_ns
            )
        ]
        for name in gone:
            del self._spans[name]
        return len(gone)

    def _fitting(self, window: Window, where: Filter | None) -> list[Span]:
        return [
            span
            for span in self._spans.values()
            if span.project == window.project
            and window.since_ns <= span.started_ns < window.until_ns
            and (where is None or fits(span, where))
        ]

    def _span_row(self, span: Span) -> SpanRow:
        children = (
            other
            for other in self._spans.values()
            if (other.project, other.trace_id, other.parent_id) == (span.project, span.trace_id, span.span_id)
        )
        return SpanRow(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_id=span.parent_id,
            name=span.name,
            kind=span.kind,
            started_ns=span.started_ns,
            duration_ns=span.duration_ns,
            status=span.status,
            status_message=span.status_message,
            model=span.model,
            provider=span.provider,
            user=span.user,
            session=span.session,
            input_tokens=None if span.usage is None else span.usage.total_input,
            output_tokens=None if span.usage is None else span.usage.total_output,
            cost_nano_usd=span.cost_nano_usd,
            cost_source=span.cost_source,
            first_token_ns=span.first_token_ns,
            counted=span.counted,
            child_count=sum(1 for _ in children),
            input_preview=span.input.preview,
            output_preview=span.output.preview,
            tags=span.tags,
        )

    def _trace_row(self, project: str, trace_id: str) -> TraceRow:
        spans = sorted(
            (span for span in self._spans.values() if (span.project, span.trace_id) == (project, trace_id)),
            key=lambda span: (bool(span.parent_id), span.started_ns, span.span_id),
        )
        first = spans[0]
        counted = [span for span in spans if span.counted]
        usages = [span.usage for span in counted if span.usage is not None]
        return TraceRow(
            trace_id=trace_id,
            name=_first(span.trace_name for span in spans) or first.name,
            started_ns=min(span.started_ns for span in spans),
            ended_ns=max(span.ended_ns for span in spans),
            span_count=len(spans),
            error_count=sum(span.status == "error" for span in spans),
            status=first.status,
            user=_first(span.user for span in spans),
            session=_first(span.session for span in spans),
            environment=_first(span.environment for span in spans),
            release=_first(span.release for span in spans),
            tags=tuple(sorted({tag for span in spans for tag in span.tags})),
            models=tuple(sorted({span.model for span in spans if span.model})),
            input_tokens=sum(usage.total_input for usage in usages),
            output_tokens=sum(usage.total_output for usage in usages),
            cost_nano_usd=sum(span.cost_nano_usd or 0 for span in counted),
            unpriced_count=sum(span.cost_source == "unknown" for span in counted),
            input_preview=first.input.preview,
            output_preview=first.output.preview,
        )


def fits(span: Span, where: Filter) -> bool:
    """Whether a span passes a filter."""
    match where:
        case Compare():
            value = _field(span, where.field)
            return where.op == "!=" if value is None else _OPERATIONS[where.op](value, where.value)
        case OneOf():
            return _field(span, where.field) in where.values
        case StartsWith():
            return str(_field(span, where.field) or "").startswith(where.prefix)
        case Tagged():
            return where.name in span.tags
        case Noted():
            return span.metadata.get(where.key) == where.value
        case Said():
            return words(where.text) <= said(span)
        case Every():
            return all(fits(span, each) for each in where.filters)
        case Either():
            return any(fits(span, each) for each in where.filters)
        case Not():
            return not fits(span, where.filter)


def words(text: str) -> set[str]:
    """Runs of letters and digits, in one case."""
    return {word.casefold() for word in _WORD.findall(text)}


def said(span: Span) -> set[str]:
    """All words of a span's name, input and output."""
    return words(span.name) | _words_of(span.input) | _words_of(span.output)


def _words_of(content: Content) -> set[str]:
    found: set[str] = set()
    for part in content.parts:
        try:
            told = cast("object", json.decode(part))
        except MsgspecError:
            told = part.decode(errors="replace")
        for text in _texts(told):
            found |= words(text)
    return found


def _texts(value: object) -> Iterable[str]:
    """All texts in a JSON value that are no names of members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _texts(each)
    elif isinstance(value, dict):
        for each in cast("dict[str, object]", value).values():
            yield from _texts(each)


def _field(span: Span, name: str) -> Value:
    if name == "input_tokens":
        return None if span.usage is None else span.usage.total_input
    if name == "output_tokens":
        return None if span.usage is None else span.usage.total_output
    return cast("Value", getattr(span, name))


def _lines(values: tuple[Value, ...], spans: list[Span], question: Aggregate) -> Iterable[Group]:
    size_ns = None if question.bucket is None else _BUCKET_NS[question.bucket]
    if size_ns is None:
        yield _group(values, None, spans, question)
        return
    ordered = sorted(spans, key=lambda span: span.started_ns)
    for bucket, group in groupby(ordered, key=lambda span: span.started_ns // size_ns):
        yield _group(values, bucket * size_ns, list(group), question)


def _group(values: tuple[Value, ...], bucket_ns: int | None, spans: list[Span], question: Aggregate) -> Group:
    measures = tuple(_measured(measure, spans) for measure in question.measures)
    return Group(values=values, bucket_ns=bucket_ns, measures=measures)


def _measured(measure: Measure, spans: list[Span]) -> int | float | None:
    if measure.reduction == "count":
        return len(spans)
    if measure.reduction == "errors":
        return sum(span.status == "error" for span in spans)
    told = [value for span in spans if (value := _field(span, measure.field)) is not None]
    if measure.reduction == "distinct":
        return len(set(told))
    numbers = sorted(int(value) for value in told)
    return _reduced(measure, numbers) if numbers else None


def _reduced(measure: Measure, ordered: list[int]) -> int | float:
    if measure.reduction == "sum":
        return sum(ordered)
    if measure.reduction == "mean":
        return sum(ordered) / len(ordered)
    if measure.reduction == "quantile":
        return ordered[max(ceil(measure.q * len(ordered)), 1) - 1]
    return ordered[0] if measure.reduction == "min" else ordered[-1]


def _rank(measured: float | None) -> tuple[bool, float]:
    return (measured is None, -(measured or 0))


def _text_key(values: tuple[Value, ...]) -> list[str]:
    return ["" if value is None else str(value) for value in values]


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _page(placed: list[tuple[Place, Item]], question: Find) -> tuple[list[Item], str]:
    """What stands behind the cursor, and the cursor behind it. Raises ValueError for a cursor that is none."""
    placed.sort(key=lambda item: item[0], reverse=question.newest_first)
    if question.after:
        after = _place_in(question.after)
        placed = [item for item in placed if (item[0] < after if question.newest_first else item[0] > after)]
    page = placed[: question.limit]
    more = len(placed) > len(page)
    cursor = base64.urlsafe_b64encode(json.encode(page[-1][0])).decode() if more and page else ""
    return [item for _, item in page], cursor


def _place_in(cursor: str) -> Place:
    """Raises ValueError."""
    try:
        return json.decode(base64.urlsafe_b64decode(cursor), type=Place)
    except (MsgspecError, ValueError):
        raise ValueError("the cursor is none of this store") from None


if TYPE_CHECKING:
    _: type[TraceStore] = MemorySpans
