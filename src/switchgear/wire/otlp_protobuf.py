"""Exports of traces as OTLP's protobuf.

The outer messages are walked here and each span is parsed by itself: a broken or huge one costs itself alone, and
what one request can take of memory is bounded (two bytes of a message can become a hundred of an object).
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final, TypeVar, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from switchgear.kernel.errors import BadRequest, BodyTooLarge
from switchgear.kernel.span import MOST_LINKS, OTEL_KIND, OTEL_LINKS, SpanEvent, SpanStatus, ToldSpan
from switchgear.wire.otlp import MAX_SPAN_BYTES, MAX_SPANS, SPAN_KINDS, Export

_STATUSES: Final[tuple[SpanStatus, ...]] = ("unset", "ok", "error")
_STATUS_CODES: Final["Mapping[SpanStatus, trace_pb2.Status.StatusCode.ValueType]"] = {
    "unset": trace_pb2.Status.STATUS_CODE_UNSET,
    "ok": trace_pb2.Status.STATUS_CODE_OK,
    "error": trace_pb2.Status.STATUS_CODE_ERROR,
}
_KIND_NUMBERS: Final["Mapping[str, trace_pb2.Span.SpanKind.ValueType]"] = {
    "server": trace_pb2.Span.SPAN_KIND_SERVER,
    "client": trace_pb2.Span.SPAN_KIND_CLIENT,
    "producer": trace_pb2.Span.SPAN_KIND_PRODUCER,
    "consumer": trace_pb2.Span.SPAN_KIND_CONSUMER,
}
_CHECKED_FROM_BYTES: Final = 256 * 1024
_MAX_FIELDS: Final = 65_536
"""Of one span: attributes, events and links."""
_INT64: Final = 1 << 63


def read(body: bytes) -> Export:
    """The spans in ``body``, in their order. Raises BadRequest or BodyTooLarge."""
    export = Export()
    for number, part in _messages(memoryview(body)):
        if number == 1:
            _take_resource_spans(part, export)
    return export


def _take_resource_spans(data: memoryview, export: Export) -> None:
    parts = list(_messages(data))
    resource: Mapping[str, object] = {}
    try:
        for number, part in parts:
            if number == 1:
                resource = _attributes(_parsed(Resource(), part, "a resource").attributes)
    except BadRequest:
        export.unreadable += sum(_count_spans(part) for number, part in parts if number == 2)
        return
    for number, part in parts:
        if number == 2:
            _take_scope_spans(part, resource, export)


def _count_spans(scope_spans: memoryview) -> int:
    return sum(number == 2 for number, _ in _messages(scope_spans))


def _take_scope_spans(data: memoryview, resource: Mapping[str, object], export: Export) -> None:
    scope = InstrumentationScope()
    found: list[memoryview] = []
    most = MAX_SPANS - export.count
    for number, part in _messages(data):
        if number == 1:
            scope = _parsed(InstrumentationScope(), part, "a scope")
        elif number == 2:
            found.append(part)
            if len(found) > most:
                raise BodyTooLarge(f"there are more than {MAX_SPANS} spans in one request; send fewer")
    of = (resource, scope.name, scope.version)
    for part in found:
        _take_span(part, of, export)


def _take_span(data: memoryview, of: tuple[Mapping[str, object], str, str], export: Export) -> None:
    if len(data) > _CHECKED_FROM_BYTES and (len(data) > MAX_SPAN_BYTES or _has_too_many(data)):
        export.too_large += 1
        return
    try:
        export.spans.append(_told(trace_pb2.Span.FromString(data), *of))  # pyright: ignore[reportArgumentType] (upb reads any buffer)
    except DecodeError:
        export.unreadable += 1


def _told(span: trace_pb2.Span, resource: Mapping[str, object], scope_name: str, scope_version: str) -> ToldSpan:
    status = span.status
    code = status.code
    attributes = _attributes(span.attributes)
    if span.kind > trace_pb2.Span.SPAN_KIND_INTERNAL and span.kind < len(SPAN_KINDS):
        attributes[OTEL_KIND] = SPAN_KINDS[span.kind]
    if span.links:
        attributes[OTEL_LINKS] = [_link(each) for each in span.links[:MOST_LINKS]]
    return ToldSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        status=_STATUSES[code] if 0 <= code <= 2 else "unset",
        status_message=status.message,
        attributes=attributes,
        events=tuple(
            [
                SpanEvent(name=event.name, at_ns=event.time_unix_nano, attributes=_attributes(event.attributes))
                for event in span.events
            ]
        ),
        resource=resource,
        scope_name=scope_name,
        scope_version=scope_version,
    )


def _link(link: trace_pb2.Span.Link) -> dict[str, object]:
    return {
        "trace_id": link.trace_id.hex(),
        "span_id": link.span_id.hex(),
        "trace_state": link.trace_state,
        "attributes": _attributes(link.attributes),
    }


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    # Most values are texts that are not empty; asking which kind a value has costs more than reading one.
    return {pair.key: (held := pair.value).string_value or _value(held) for pair in pairs}


def _value(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bool_value":
            return value.bool_value
        case "bytes_value":
            return value.bytes_value
        case "array_value":
            return [_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case _:
            return None


def _has_too_many(data: memoryview) -> bool:
    """Whether a large span has too many fields, or broken ones."""
    try:
        return any(count > _MAX_FIELDS for count, _ in enumerate(_messages(data)))
    except BadRequest:
        return True


_Parsed = TypeVar("_Parsed", Resource, InstrumentationScope)


def _parsed(message: _Parsed, data: memoryview, what: str) -> _Parsed:
    """``message`` with what ``data`` says. Raises BadRequest or BodyTooLarge."""
    if len(data) > MAX_SPAN_BYTES or (len(data) > _CHECKED_FROM_BYTES and _has_too_many(data)):
        raise BodyTooLarge(f"{what} in the body is over the bounds")
    try:
        message.MergeFromString(bytes(data))
    except DecodeError:
        raise BadRequest(f"{what} in the body cannot be read") from None
    return message


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of a message's fields that have a length; others are passed over. Raises BadRequest."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at, end)
        wire_type = tag & 7
        if wire_type == 2:
            length, at = _varint(data, at, end)
            if length > end - at:
                raise _broken()
            yield tag >> 3, data[at : at + length]
            at += length
        elif wire_type == 0:
            _, at = _varint(data, at, end)
        elif wire_type in (1, 5):
            at += 8 if wire_type == 1 else 4
        else:
            raise _broken()
    if at != end:
        raise _broken()


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise _broken()


def _broken() -> BadRequest:
    return BadRequest("the body is no ExportTraceServiceRequest in protobuf: its framing is broken, or it is cut off")


# ------------------------------------------------------------------------------------------------------------- writing


def write(spans: Iterable[ToldSpan]) -> bytes:
    """An export of ``spans``; the attribute :data:`OTEL_KIND` becomes the kind that it names.

    Raises ValueError for ids that are not hexadecimal.
    """
    request = ExportTraceServiceRequest()
    for (resource, name, version), group in grouped(spans):
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.extend(_pairs(resource))
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name, of_scope.scope.version = name, version
        of_scope.spans.extend(_span(told) for told in group)
    return request.SerializeToString()


def grouped(spans: Iterable[ToldSpan]) -> Iterator[tuple[tuple[Mapping[str, object], str, str], Iterator[ToldSpan]]]:
    """Spans that follow each other and are of one resource and scope."""
    return groupby(spans, key=lambda told: (told.resource, told.scope_name, told.scope_version))


def _span(told: ToldSpan) -> trace_pb2.Span:
    attributes, kind = told.attributes, str(told.attributes.get(OTEL_KIND, ""))
    if kind in _KIND_NUMBERS:
        attributes = {name: value for name, value in attributes.items() if name != OTEL_KIND}
    return trace_pb2.Span(
        trace_id=bytes.fromhex(told.trace_id),
        span_id=bytes.fromhex(told.span_id),
        parent_span_id=bytes.fromhex(told.parent_id),
        name=told.name,
        kind=_KIND_NUMBERS.get(kind, trace_pb2.Span.SPAN_KIND_UNSPECIFIED),
        start_time_unix_nano=told.started_ns,
        end_time_unix_nano=told.ended_ns,
        status=trace_pb2.Status(code=_STATUS_CODES[told.status], message=told.status_message),
        attributes=_pairs(attributes),
        events=[
            trace_pb2.Span.Event(name=event.name, time_unix_nano=event.at_ns, attributes=_pairs(event.attributes))
            for event in told.events
        ],
    )


def _pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any(value)) for name, value in attributes.items()]


def _any(value: object) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case bool():
            return AnyValue(bool_value=value)
        case int() if -_INT64 <= value < _INT64:
            return AnyValue(int_value=value)
        case int() | float():
            return AnyValue(double_value=float(value))
        case bytes():
            return AnyValue(bytes_value=value)
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=[_any(each) for each in cast("list[object]", value)]))
        case Mapping():
            return AnyValue(kvlist_value=KeyValueList(values=_pairs(cast("Mapping[str, object]", value))))
        case None:
            return AnyValue()
        case _:
            return AnyValue(string_value=str(value))
