"""A span as the line that is inserted, and as it is read whole."""

import base64
from collections.abc import Mapping
from typing import Any, Final, cast

from msgspec import json, msgpack
from msgspec.structs import replace

from switchgear.engines.span_sql.columns import COLUMNS, row_of
from switchgear.kernel.span import Span

_NAMES: Final = (*COLUMNS, "whole_base64", "whole_bytes", "version", "arrived", "is_deleted")
_QUOTED: Final = ", ".join(f'"{name}"' for name in _NAMES)
INSERT: Final = f"INSERT INTO spans ({_QUOTED}) FORMAT JSONEachRow"
_DECODER: Final = msgpack.Decoder(Span)
_KEY: Final = ("project", "trace_id", "span_id", "started_ns")


def line_of(span: Span, version: int, arrived_ns: int) -> bytes:
    """A span that is in force from ``version`` on."""
    whole = _encoded(span)
    beside = (base64.b64encode(whole).decode(), len(whole), version, arrived_ns, 0)
    return json.encode(dict(zip(_NAMES, (*row_of(span), *beside), strict=True)))


def tombstone_of(span: Span, started_ns: int, version: int) -> bytes:
    """What hides the row that the span had at another start."""
    key = (span.project, span.trace_id, span.span_id, started_ns)
    return json.encode({**dict(zip(_KEY, key, strict=True)), "version": version, "is_deleted": 1})


def span_of(whole_base64: str) -> Span:
    """The span that a row has."""
    return _DECODER.decode(base64.b64decode(whole_base64))


def _encoded(span: Span) -> bytes:
    """As msgpack; numbers that it has no room for become text where text may stand."""
    try:
        return msgpack.encode(span)
    except OverflowError:
        attributes, resource = (cast("dict[str, Any]", _tamed(told)) for told in (span.attributes, span.resource))
        events = tuple(
            replace(event, attributes=cast("dict[str, Any]", _tamed(event.attributes))) for event in span.events
        )
        return msgpack.encode(replace(span, attributes=attributes, resource=resource, events=events))


def _tamed(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _tamed(each) for key, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_tamed(each) for each in cast("list[object]", value)]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value
