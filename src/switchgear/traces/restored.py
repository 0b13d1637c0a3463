"""Whole spans read back from the form in which they are exported: as they were kept, but for what JSON cannot say.

Bytes among attributes are text in base64 then, and numbers without value null.
"""

from typing import Final, cast

from msgspec import DecodeError, Raw, Struct, ValidationError, convert, json, structs

from switchgear.kernel.span import NOTHING, PREVIEW_CHARACTERS, Content, Span, SpanEvent, ToldSpan
from switchgear.kernel.span_words import text_of

_MOST: Final = 1 << 62
"""No time, cost or count is beyond it, and every store can add some of them up."""
_TEXTS: Final = tuple(field.name for field in structs.fields(Span) if field.type is str)


class _Said(Struct, frozen=True):
    """What went in or came out."""

    is_messages: bool = False
    parts: list[Raw] = []
    preview: str = ""


class _Happened(Struct):
    """An event."""

    name: str
    at_ns: int
    attributes: dict[str, object] = {}


class _Line(Struct):
    """A line of an export."""

    span: dict[str, object]
    input: _Said = _Said()
    output: _Said = _Said()
    attributes: dict[str, object] = {}
    resource: dict[str, object] = {}
    events: list[_Happened] = []


def read_span(line: bytes, project: str) -> Span:
    """The span of a line, as one of ``project``. Raises ValueError with what is wrong with it."""
    try:
        told = json.decode(line, type=_Line)
        span = convert({**told.span, "project": project}, Span)
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the line is no span of an export: {error}") from None
    events = tuple(SpanEvent(name=each.name, at_ns=each.at_ns, attributes=each.attributes) for each in told.events)
    _check_numbers(span, events)
    return structs.replace(
        span,
        input=_content(told.input, last=True),
        output=_content(told.output, last=False),
        attributes=told.attributes,
        resource=told.resource,
        events=events,
    )


def told_of(span: Span) -> ToldSpan:
    """A span as somebody would tell it, for who checks what is told."""
    return ToldSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        started_ns=span.started_ns,
        ended_ns=span.ended_ns,
        attributes=span.attributes,
        events=span.events,
        resource=span.resource,
    )


def mended(span: Span, told: ToldSpan) -> Span:
    """The span with what was mended of it as it was told."""
    return structs.replace(
        span,
        parent_id=told.parent_id,
        name=told.name,
        ended_ns=told.ended_ns,
        attributes=told.attributes,
        events=told.events,
    )


def weight_of(span: Span) -> int:
    """About how many bytes it holds beside attributes, events and resource."""
    said = sum(map(len, (*span.input.parts, *span.output.parts)))
    metadata = sum(len(name) + len(value) for name, value in span.metadata.items())
    texts = sum(len(cast("str", getattr(span, name))) for name in _TEXTS)
    return said + metadata + texts + sum(map(len, span.tags))


def _check_numbers(span: Span, events: tuple[SpanEvent, ...]) -> None:
    """Raises ValueError for one that no store can keep."""
    usage = () if span.usage is None else structs.astuple(span.usage)
    counts = [number for number in (*usage, span.first_token_ns, span.cost_nano_usd) if isinstance(number, int)]
    if any(not 0 <= number < _MOST for number in counts):
        raise ValueError("a count or a cost of the span is below nought, or beyond all use")
    if any(abs(number) >= _MOST * 2 for number in (span.started_ns, span.ended_ns, *(each.at_ns for each in events))):
        raise ValueError("a time of the span is beyond all use")


def _content(told: _Said, *, last: bool) -> Content:
    """``last``: where the preview is not told, it is of the last part and not of the first."""
    parts = tuple([bytes(part) for part in told.parts])
    if not parts and not told.preview:
        return NOTHING
    preview = told.preview or text_of(parts[-1 if last else 0])
    return Content(parts=parts, is_messages=told.is_messages, preview=preview[:PREVIEW_CHARACTERS])
