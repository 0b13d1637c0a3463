"""Answers to questions about spans by looking at each of them: what engines are measured by."""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from switchgear.kernel.query import (
    Aggregate,
    Bucket,
    Compare,
    Doomed,
    Either,
    Every,
    Filter,
    Find,
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
from switchgear.kernel.span import Span
from switchgear.kernel.span_sums import outdoing_none, outdone
from switchgear.kernel.span_words import text_of, words

_OPERATIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BUCKET_NS: Final[Mapping[Bucket, int]] = {
    "minute": 60_000_000_000,
    "hour": 3_600_000_000_000,
    "day": 86_400_000_000_000,
}
_PAID: Final = ("input_tokens", "output_tokens", "cost_nano_usd")
_CORE: Final = (
    "trace_id", "span_id", "parent_id", "name", "kind", "started_ns", "duration_ns", "status", "status_message",
    "model", "provider", "user", "session", "cost_nano_usd", "cost_source", "first_token_ns", "counted", "tags",
)  # fmt: skip


class PlainTraces:
    """Spans in dictionaries, one for each trace of a project."""

    def __init__(self) -> None:
        self._traces: dict[tuple[str, str], dict[str, Span]] = {}

    def write(self, spans: Sequence[Span], *, replace: bool) -> int:
        new = 0
        for span in spans:
            trace = self._traces.setdefault((span.project, span.trace_id), {})
            new += span.span_id not in trace
            if replace or span.span_id not in trace:
                trace[span.span_id] = span
        return new

    def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        """Those that are there."""
        trace = self._traces.get((project, trace_id), {})
        return [trace[span_id] for span_id in span_ids if span_id in trace]

    def delete(self, doomed: Doomed) -> int:
        """How many spans."""
        gone = [name for name, trace in self._traces.items() if name[0] == doomed.project and is_doomed(trace, doomed)]
        return sum(len(self._traces.pop(name)) for name in gone)

    def found(self, question: Find) -> tuple[list[SpanRow], list[TraceRow]]:
        """The first page."""
        fitting = self._fitting(question.window, question.where)
        if question.of == "spans":
            fitting.sort(key=lambda s: (s.started_ns, s.trace_id, s.span_id), reverse=question.newest_first)
            return [self._span_row(span) for span in fitting[: question.limit]], []
        names = {span.trace_id for span in fitting}
        rows = [self._trace_row(self._trace(question.window.project, name)) for name in names]
        rows.sort(key=lambda row: (row.started_ns, row.trace_id), reverse=question.newest_first)
        return [], rows[: question.limit]

    def aggregated(self, question: Aggregate) -> list[Group]:
        groups: dict[tuple[Any, ...], list[Span]] = {} if question.by else {(): []}
        for span in self._fitting(question.window, question.where):
            groups.setdefault(tuple(value_of(span, name) for name in question.by), []).append(span)
        first = question.measures[0]

        def rank(values: tuple[Any, ...]) -> tuple[bool, float, list[str]]:
            measured = self._measured(first, groups[values])
            return measured is None, -(measured or 0), ["" if value is None else str(value) for value in values]

        ordered = sorted(groups, key=rank)[: question.limit]
        return [line for values in ordered for line in self._lines(question, values, groups[values])]

    def _lines(self, question: Aggregate, values: tuple[Any, ...], spans: list[Span]) -> Iterator[Group]:
        buckets: dict[int | None, list[Span]] = {None: spans}
        if question.bucket is not None:
            buckets = {}
            size_ns = _BUCKET_NS[question.bucket]
            for span in sorted(spans, key=lambda span: span.started_ns):
                buckets.setdefault(span.started_ns // size_ns * size_ns, []).append(span)
        for bucket_ns, some in buckets.items():
            measures = tuple(self._measured(measure, some) for measure in question.measures)
            yield Group(values=values, bucket_ns=bucket_ns, measures=measures)

    def _measured(self, measure: Measure, spans: list[Span]) -> float | None:
        if measure.reduction == "count":
            return len(spans)
        if measure.reduction == "errors":
            return sum(span.status == "error" for span in spans)
        told = [value for span in spans if (value := self._told(span, measure.field)) is not None]
        if measure.reduction == "distinct":
            return len(set(told))
        return reduced(measure, sorted(told)) if told else None

    def _told(self, span: Span, name: str) -> Any:
        if name in _PAID and not self._counts(span):
            return None
        value = value_of(span, name)
        return None if name == "first_token_ns" and not value else value

    def _counts(self, span: Span) -> bool:
        trace = self._trace(span.project, span.trace_id)
        none = outdoing_none(trace)
        below = (each for each in trace if each.parent_id == span.span_id and each.span_id not in none)
        return span.counted and not outdone(span, below)

    def _children(self, span: Span) -> list[Span]:
        return [each for each in self._trace(span.project, span.trace_id) if each.parent_id == span.span_id]

    def _trace(self, project: str, trace_id: str) -> list[Span]:
        return list(self._traces[project, trace_id].values())

    def _fitting(self, window: Window, where: Filter | None) -> list[Span]:
        return [
            span
            for (project, _), trace in self._traces.items()
            if project == window.project
            for span in trace.values()
            if window.since_ns <= span.started_ns < window.until_ns and (where is None or fits(span, where))
        ]

    def _span_row(self, span: Span) -> SpanRow:
        return SpanRow(
            input_tokens=value_of(span, "input_tokens"),
            output_tokens=value_of(span, "output_tokens"),
            child_count=len(self._children(span)),
            input_preview=span.input.preview,
            output_preview=span.output.preview,
            **{name: getattr(span, name) for name in _CORE},
        )

    def _trace_row(self, spans: list[Span]) -> TraceRow:
        spans = sorted(spans, key=lambda span: (span.parent_id != "", span.started_ns, span.span_id))
        paid = [span for span in spans if self._counts(span)]
        return TraceRow(
            trace_id=spans[0].trace_id,
            name=_first(span.trace_name for span in spans) or spans[0].name,
            started_ns=min(span.started_ns for span in spans),
            ended_ns=max(span.ended_ns for span in spans),
            span_count=len(spans),
            error_count=sum(span.status == "error" for span in spans),
            status=spans[0].status,
            user=_first(span.user for span in spans),
            session=_first(span.session for span in spans),
            environment=_first(span.environment for span in spans),
            release=_first(span.release for span in spans),
            tags=tuple(sorted({tag for span in spans for tag in span.tags})),
            models=tuple(sorted({span.model for span in spans} - {""})),
            input_tokens=sum(value_of(span, "input_tokens") or 0 for span in paid),
            output_tokens=sum(value_of(span, "output_tokens") or 0 for span in paid),
            cost_nano_usd=sum(span.cost_nano_usd or 0 for span in paid),
            unpriced_count=sum(span.cost_source == "unknown" for span in paid),
            input_preview=spans[0].input.preview,
            output_preview=spans[0].output.preview,
        )


def is_doomed(trace: Mapping[str, Span], doomed: Doomed) -> bool:
    """Whether a trace goes as a whole."""
    spans = trace.values()
    if doomed.user and any(span.user == doomed.user for span in spans):
        return True
    if any(span.trace_id in doomed.trace_ids for span in spans):
        return True
    return max(span.ended_ns for span in spans) < doomed.before_ns


def value_of(span: Span, name: str) -> Any:
    """A field's value."""
    if name in {"input_tokens", "output_tokens"}:
        return None if span.usage is None else getattr(span.usage, f"total_{name.removesuffix('_tokens')}")
    return getattr(span, name)


def fits(span: Span, where: Filter) -> bool:
    """Whether a span passes a filter."""
    match where:
        case Compare():
            return _compares(value_of(span, where.field), where)
        case OneOf():
            return value_of(span, where.field) in where.values
        case StartsWith():
            return value_of(span, where.field).startswith(where.prefix)
        case Tagged():
            return where.name in span.tags
        case Noted():
            return span.metadata.get(where.key) == where.value
        case Said():
            return {word.lower() for word in words(where.text)} <= _said(span)
        case Every():
            return all(fits(span, each) for each in where.filters)
        case Either():
            return any(fits(span, each) for each in where.filters)
        case Not():
            return not fits(span, where.filter)


def _compares(value: Any, where: Compare) -> bool:
    if where.op == "!=":
        return value != where.value
    return value is not None and _OPERATIONS[where.op](value, where.value)


def reduced(measure: Measure, ordered: list[Any]) -> float:
    """Of at least one value."""
    match measure.reduction:
        case "sum":
            return sum(ordered)
        case "mean":
            return sum(ordered) / len(ordered)
        case "quantile":
            return ordered[max(math.ceil(measure.q * len(ordered)), 1) - 1]
        case "min":
            return ordered[0]
        case _:
            return ordered[-1]


def _said(span: Span) -> set[str]:
    texts = [span.name, *(text_of(part) for part in (*span.input.parts, *span.output.parts))]
    return {word.lower() for text in texts for word in words(text)}


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
