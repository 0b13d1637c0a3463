"""Spans put together again from the places where they lie."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

from msgspec import json, msgpack

from switchgear.engines.sqlite_spans.columns import TEXTS
from switchgear.engines.sqlite_spans.packing import Details, Unpacker, span_events, usage_of
from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Content, Span

_CORE: Final = ("span_id", "parent_id", "name", "kind", "status", "started_ns", "ended_ns")
BARE: Final = (
    "id", "counts", *_CORE, "counted", "first_token_ns", "input_tokens", "output_tokens", "cost_nano_usd", *TEXTS,
    "tags", "input_preview", "output_preview",
)  # fmt: skip
_SELECT: Final = f"SELECT {', '.join(BARE)} FROM spans WHERE trace = ?"
_MOST_BOUND: Final = 500
_AT_ONCE: Final = 200
"""Whole spans that are put together in one go."""
_MAPPINGS: Final = msgpack.Decoder(dict[str, object])


class Kept:
    """A span with what the store knows of it."""

    __slots__ = ("counts", "details", "number", "span")

    def __init__(self, number: int, span: Span, *, counts: bool, details: Details | None = None) -> None:
        self.number = number
        self.span = span
        self.counts = counts
        self.details = details


def trace_number(connection: sqlite3.Connection, project: str, trace_id: str) -> tuple[int, int] | None:
    """The numbers of a project and of its trace."""
    found = connection.execute(
        "SELECT p.id, t.id FROM projects p JOIN traces t ON t.project = p.id WHERE p.name = ? AND t.trace_id = ?",
        (project, trace_id),
    ).fetchone()
    return cast("tuple[int, int] | None", found)


def bare_spans(
    connection: sqlite3.Connection, trace: int, names: tuple[str, str], span_ids: Sequence[str] | None = None
) -> Iterator[Kept]:
    """All spans of a trace, or some of them, as far as their columns tell; ``names``: of the project and the trace."""
    for told in _rows(connection, trace, span_ids):
        yield Kept(told["id"], bare_span(told, names), counts=bool(told["counts"]))


def whole_spans(
    connection: sqlite3.Connection, trace: int, names: tuple[str, str], span_ids: Sequence[str] | None = None
) -> Iterator[Kept]:
    """The same with all that belongs to them."""
    unpacker = Unpacker()
    rows = _rows(connection, trace, span_ids)
    while some := list(islice(rows, _AT_ONCE)):
        found = _looked_up(connection, "SELECT span, data FROM details WHERE span", [told["id"] for told in some])
        details = {span: unpacker.details(data) for span, data in found}
        numbers = {number for each in details.values() for number in each.contents()}
        packed = _looked_up(connection, "SELECT id, data FROM contents WHERE id", list(numbers))
        parts = {number: unpacker.unpacked(data) for number, data in packed}
        for told in some:
            its = details[told["id"]]
            span = Span(**(_fields(told, names) | _more_fields(told, its, parts)))
            yield Kept(told["id"], span, counts=bool(told["counts"]), details=its)


def bare_span(told: Mapping[str, Any], names: tuple[str, str]) -> Span:
    """A span as far as its columns tell."""
    return Span(**_fields(told, names))


def _fields(told: Mapping[str, Any], names: tuple[str, str]) -> dict[str, Any]:
    input_tokens, output_tokens = told["input_tokens"], told["output_tokens"]
    fields: dict[str, Any] = {name: text for name in TEXTS if (text := told[name]) is not None}
    fields |= {name: told[name] for name in _CORE}
    fields |= {
        "project": names[0],
        "trace_id": names[1],
        "counted": bool(told["counted"]),
        "first_token_ns": told["first_token_ns"] or 0,
        "usage": None if input_tokens is None else Usage(input=input_tokens, output=output_tokens),
        "cost_nano_usd": told["cost_nano_usd"],
        "tags": json.decode(told["tags"], type=tuple[str, ...]) if told["tags"] else (),
        "input": Content(preview=told["input_preview"] or ""),
        "output": Content(preview=told["output_preview"] or ""),
    }
    return fields


def _more_fields(told: Mapping[str, Any], details: Details, parts: Mapping[int, bytes]) -> dict[str, Any]:
    """What columns do not tell, or not exactly."""
    resource = parts.get(details.resource)
    return {
        "usage": usage_of(details.usage),
        "cost_nano_usd": details.cost_nano_usd,
        "metadata": details.metadata,
        "attributes": details.attributes,
        "resource": {} if resource is None else decoded_mapping(resource),
        "events": span_events(details.events),
        "input": Content(
            parts=tuple([parts[number] for number in details.input]),
            is_messages=details.input_is_messages,
            preview=told["input_preview"] or "",
        ),
        "output": Content(
            parts=tuple([parts[number] for number in details.output]),
            is_messages=details.output_is_messages,
            preview=told["output_preview"] or "",
        ),
    }


def decoded_mapping(data: bytes) -> dict[str, object]:
    return _MAPPINGS.decode(data)


def _rows(connection: sqlite3.Connection, trace: int, span_ids: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """Columns by name."""
    for bound in [None] if span_ids is None else _portions(span_ids):
        some = "" if bound is None else f" AND span_id IN ({', '.join('?' * len(bound))})"
        for row in connection.execute(_SELECT + some, (trace, *(bound or ()))):
            yield dict(zip(map(str, BARE), row, strict=True))


def _looked_up(connection: sqlite3.Connection, select: str, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Rows of numbers and their bytes."""
    for bound in _portions(numbers):
        yield from connection.execute(f"{select} IN ({', '.join('?' * len(bound))})", bound)


def _portions(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), _MOST_BOUND):
        yield items[at : at + _MOST_BOUND]
