"""Exports of traces as OTLP's JSON: lowerCamelCase, ids in hexadecimal, 64-bit numbers as text.

Read more leniently than it is written, for what is in the field: ids in base64, numbers as numbers, attributes as an
object, enumerations by name, null for what is not said. Unknown members are passed over.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Final, cast

from msgspec import DecodeError, Raw, Struct, ValidationError, convert, json

from switchgear.kernel.errors import BadRequest, BodyTooLarge
from switchgear.kernel.span import MOST_LINKS, OTEL_KIND, OTEL_LINKS, SpanEvent, SpanStatus, ToldSpan
from switchgear.wire.lone_surrogates import without_lone_surrogates
from switchgear.wire.otlp import MAX_SPAN_BYTES, MAX_SPANS, SPAN_ID_BYTES, SPAN_KINDS, TRACE_ID_BYTES, Export
from switchgear.wire.otlp_protobuf import grouped

_MAX_BRACES: Final = 4_000_000
"""Objects and lists in a body: each takes far more memory than the two bytes that it may be written with."""
_MAX_DEPTH: Final = 64
_INT64: Final = 1 << 63
_STATUS_NAMES: Final = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_KIND_PREFIX: Final = "SPAN_KIND_"
_STATUSES: Final[tuple[SpanStatus, ...]] = ("unset", "ok", "error")
_ID_BYTES: Final = {TRACE_ID_BYTES: (22, 24), SPAN_ID_BYTES: (11, 12)}
"""How many characters an id has in base64, with and without padding."""
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_DIGIT: Final = re.compile(r"[0-9]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_NOTHING: Final = Raw()
Attributes = list[Raw] | dict[str, object] | None
Number = int | float | str | None


class _KeyValue(Struct):
    key: str
    value: object = None


class _Event(Struct, rename="camel"):
    name: str | None = ""
    time_unix_nano: Number = 0
    attributes: Attributes = None


class _Link(Struct, rename="camel"):
    trace_id: str | None = ""
    span_id: str | None = ""
    trace_state: str | None = ""
    attributes: list[_KeyValue] | dict[str, object] | None = None


class _Status(Struct):
    code: Number = 0
    message: str | None = ""


class _Span(Struct, rename="camel"):
    trace_id: str | None = ""
    span_id: str | None = ""
    parent_span_id: str | None = ""
    name: str | None = ""
    start_time_unix_nano: Number = 0
    end_time_unix_nano: Number = 0
    status: _Status | None = None
    attributes: Attributes = None
    events: list[_Event] | None = None
    kind: object = 0
    links: object = None


class _Scope(Struct):
    name: str | None = ""
    version: str | None = ""


class _ScopeSpans(Struct):
    scope: _Scope | None = None
    spans: list[Raw] | None = None


class _Resource(Struct):
    attributes: Attributes = None


class _ResourceSpans(Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] | None = None
    resource_logs: Raw = _NOTHING
    resource_metrics: Raw = _NOTHING


_REQUESTS: Final = json.Decoder(_Request)
_SPANS: Final = json.Decoder(_Span)
_PAIRS: Final = json.Decoder(_KeyValue)


def read(body: bytes) -> Export:
    """The spans in ``body``, in their order. Raises BadRequest or BodyTooLarge."""
    if body.count(b"{") + body.count(b"[") > _MAX_BRACES:
        raise BodyTooLarge(f"the body has more than {_MAX_BRACES} objects and lists; send fewer spans in one request")
    request = _request(body.strip() or b"{}")
    if request.resource_spans is None and (bytes(request.resource_logs) or bytes(request.resource_metrics)):
        raise BadRequest("the body exports logs or metrics; this is the door for traces, which are 'resourceSpans'")
    export = Export(says_spans=True)
    for each in request.resource_spans or ():
        _take(each, export)
    return export


def _request(body: bytes) -> _Request:
    """Raises BadRequest."""
    try:
        return _REQUESTS.decode(body)
    except ValidationError as error:
        raise BadRequest(f"the body is no ExportTraceServiceRequest in JSON: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        mended = without_lone_surrogates(body)
        if mended is body:
            raise BadRequest("the body is not JSON") from None
    return _request(mended)


def _take(told: _ResourceSpans, export: Export) -> None:
    try:
        resource = _attributes(None if told.resource is None else told.resource.attributes)
    except ValueError:
        export.unreadable += sum(len(of_scope.spans or ()) for of_scope in told.scope_spans or ())
        return
    for of_scope in told.scope_spans or ():
        scope = of_scope.scope or _Scope()
        of = (resource, scope.name or "", scope.version or "")
        if export.count + len(of_scope.spans or ()) > MAX_SPANS:
            raise BodyTooLarge(f"there are more than {MAX_SPANS} spans in one request; send fewer")
        for written in of_scope.spans or ():
            _take_span(written, of, export)


def _take_span(written: Raw, of: tuple[Mapping[str, object], str, str], export: Export) -> None:
    if memoryview(written).nbytes > MAX_SPAN_BYTES:
        export.too_large += 1
        return
    try:
        export.spans.append(_told(_SPANS.decode(written), *of))
    except (ValueError, RecursionError):
        export.unreadable += 1


def _told(span: _Span, resource: Mapping[str, object], scope_name: str, scope_version: str) -> ToldSpan:
    """Raises ValueError."""
    status = span.status or _Status()
    attributes = _attributes(span.attributes)
    if kind := _kind(span.kind):
        attributes[OTEL_KIND] = kind
    if links := _links(span.links):
        attributes[OTEL_LINKS] = links
    return ToldSpan(
        trace_id=_id(span.trace_id or "", TRACE_ID_BYTES),
        span_id=_id(span.span_id or "", SPAN_ID_BYTES),
        parent_id=_id(span.parent_span_id or "", SPAN_ID_BYTES),
        name=span.name or "",
        started_ns=_integer(span.start_time_unix_nano),
        ended_ns=_integer(span.end_time_unix_nano),
        status=_status(status.code),
        status_message=status.message or "",
        attributes=attributes,
        events=tuple(
            SpanEvent(
                name=event.name or "", at_ns=_integer(event.time_unix_nano), attributes=_attributes(event.attributes)
            )
            for event in span.events or ()
        ),
        resource=resource,
        scope_name=scope_name,
        scope_version=scope_version,
    )


def _links(told: object) -> list[dict[str, object]]:
    """Those that can be read: a span is not refused for what it only points at."""
    found: list[dict[str, object]] = []
    for each in cast("list[object]", told)[:MOST_LINKS] if isinstance(told, list) else ():
        with suppress(ValueError):
            link = convert(each, _Link)
            found.append(
                {
                    "trace_id": _id(link.trace_id or "", TRACE_ID_BYTES),
                    "span_id": _id(link.span_id or "", SPAN_ID_BYTES),
                    "trace_state": link.trace_state or "",
                    "attributes": _attributes(link.attributes),
                }
            )
    return found


def _kind(told: object) -> str:
    if isinstance(told, str) and told.startswith(_KIND_PREFIX):
        name = told.removeprefix(_KIND_PREFIX).lower()
        return name if name in SPAN_KINDS else ""
    number = int(told) if isinstance(told, int) or (isinstance(told, str) and _DIGIT.fullmatch(told)) else 0
    return SPAN_KINDS[number] if 0 <= number < len(SPAN_KINDS) else ""


def _id(text: str, size_bytes: int) -> str:
    """In hexadecimal; what is neither that nor base64 stays as it came."""
    if len(text) in _ID_BYTES[size_bytes]:
        try:
            found = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=None)
        except (binascii.Error, ValueError):
            return text
        return found.hex() if len(found) == size_bytes else text
    return text.lower() if _HEX.fullmatch(text) else text


def _integer(value: Number) -> int:
    """Raises ValueError."""
    if isinstance(value, str):
        if not value:
            return 0
        if not _INTEGER.fullmatch(value):
            raise _no("a number is none")
        return int(value)
    if isinstance(value, float) and not isfinite(value):
        raise _no("a time is not finite")
    return int(value or 0)


def _status(code: Number) -> SpanStatus:
    if isinstance(code, str) and code in _STATUS_NAMES:
        return _STATUSES[_STATUS_NAMES.index(code)]
    number = _integer(code)
    return _STATUSES[number] if 0 <= number < len(_STATUSES) else "unset"


def _attributes(told: Attributes | list[_KeyValue]) -> dict[str, object]:
    """Raises ValueError."""
    if not told:
        return {}
    if isinstance(told, dict):
        return {name: _value(value, 0) for name, value in told.items()}
    pairs = [_PAIRS.decode(each) if isinstance(each, Raw) else each for each in told]
    return {pair.key: _value(pair.value, 0) for pair in pairs}


def _value(value: object, depth: int) -> object:
    """What an AnyValue holds; a plain value is itself. Raises ValueError."""
    if depth > _MAX_DEPTH:
        raise _no("values are nested too deeply")
    if isinstance(value, list):
        return [_value(each, depth + 1) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value if not isinstance(value, int) or -_INT64 <= value < _INT64 else float(value)
    members = cast("dict[str, object]", value)
    for name, found in members.items():
        if (read := _KINDS.get(name)) is not None:
            return read(found, depth + 1)
    return {name: _value(each, depth + 1) for name, each in members.items()} or None


def _as_text(value: object, depth: int) -> object:
    return value if isinstance(value, str) else _value(value, depth)


def _as_integer(value: object, depth: int) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _no("intValue is no number")
    number = _integer(value)
    if not -_INT64 <= number < _INT64:
        raise _no("intValue has more than 64 bits")
    return number


def _as_double(value: object, depth: int) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _no("doubleValue is no number")
    # Text for what JSON has no number for: NaN, Infinity, -Infinity.
    return float(value)


def _as_bytes(value: object, depth: int) -> object:
    if not isinstance(value, str):
        raise _no("bytesValue is no text")
    return base64.b64decode(value + "=" * (-len(value) % 4))


def _as_list(value: object, depth: int) -> object:
    return [_value(each, depth + 1) for each in _members(value)]


def _as_object(value: object, depth: int) -> object:
    plain = cast("dict[str, object]", value) if isinstance(value, dict) else None
    if plain is not None and "values" not in plain:
        return {name: _value(each, depth + 1) for name, each in plain.items()}
    found: dict[str, object] = {}
    for pair in _members(cast("object", value)):
        if not isinstance(pair, dict):
            raise _no("kvlistValue holds what is no pair")
        members = cast("dict[str, object]", pair)
        found[str(members.get("key", ""))] = _value(members.get("value"), depth + 1)
    return found


def _members(value: object) -> list[object]:
    values: object = cast("dict[str, object]", value).get("values") if isinstance(value, dict) else value
    if values is None:
        return []
    if not isinstance(values, list):
        raise _no("values is no list")
    return cast("list[object]", values)


def _no(why: str) -> ValueError:
    return ValueError(why)


_KINDS: Final = {
    "stringValue": _as_text,
    "intValue": _as_integer,
    "boolValue": _as_text,
    "doubleValue": _as_double,
    "bytesValue": _as_bytes,
    "arrayValue": _as_list,
    "kvlistValue": _as_object,
}


# ------------------------------------------------------------------------------------------------------------- writing


def write(spans: list[ToldSpan]) -> bytes:
    """An export of ``spans``."""
    of_resources = [
        {
            "resource": {"attributes": _pairs(resource)},
            "scopeSpans": [{"scope": {"name": name, "version": version}, "spans": [_span(told) for told in group]}],
        }
        for (resource, name, version), group in grouped(spans)
    ]
    return json.encode({"resourceSpans": of_resources})


def _span(told: ToldSpan) -> dict[str, object]:
    found: dict[str, object] = {
        "traceId": told.trace_id,
        "spanId": told.span_id,
        "parentSpanId": told.parent_id,
        "name": told.name,
        "startTimeUnixNano": str(told.started_ns),
        "endTimeUnixNano": str(told.ended_ns),
        "attributes": _pairs(told.attributes),
        "status": {"code": _STATUSES.index(told.status), "message": told.status_message},
    }
    if told.events:
        found["events"] = [
            {"name": event.name, "timeUnixNano": str(event.at_ns), "attributes": _pairs(event.attributes)}
            for event in told.events
        ]
    return found


def _pairs(attributes: Mapping[str, object]) -> list[object]:
    return [{"key": name, "value": _any(value)} for name, value in attributes.items()]


def _any(value: object) -> dict[str, object]:
    match value:
        case str():
            return {"stringValue": value}
        case bool():
            return {"boolValue": value}
        case int() if -_INT64 <= value < _INT64:
            return {"intValue": str(value)}
        case int() | float():
            number = float(value)
            return {"doubleValue": number if isfinite(number) else _unwritable(number)}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case list() | tuple():
            return {"arrayValue": {"values": [_any(each) for each in cast("list[object]", value)]}}
        case Mapping():
            return {"kvlistValue": {"values": _pairs(cast("Mapping[str, object]", value))}}
        case None:
            return {}
        case _:
            return {"stringValue": str(value)}


def _unwritable(number: float) -> str:
    """As protobuf's JSON writes what JSON has no number for."""
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"  # noqa: PLR0124 (only NaN differs from itself)
