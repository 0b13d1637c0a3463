"""A span's row in ``core.parquet``, the messages that it names in ``payload.parquet``, and the span made of them again.

The core has the columns of table ``spans`` and a few more. ``input`` and ``output`` are numbers of messages; ``rest``
and ``resource`` are JSON; ``exact`` is msgpack of both, only where JSON loses something (bytes, numbers without value).
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from msgspec import json, msgpack, structs

from switchgear.engines.sqlite_spans.columns import COLUMNS, row_of
from switchgear.engines.sqlite_spans.facets import labels_of
from switchgear.engines.sqlite_spans.packing import span_events, usage_numbers, usage_of
from switchgear.engines.sqlite_spans.reading import Kept, bare_span
from switchgear.kernel.span import Content, Span
from switchgear.kernel.span_words import text_of

CORE_TYPES: Final = {
    "id": "BIGINT",
    "trace_id": "VARCHAR",
    "trace_started_ns": "BIGINT",
    "child_count": "INTEGER",
    "labels": "BIGINT[]",
    "input": "BIGINT[]",
    "output": "BIGINT[]",
    "rest": "VARCHAR",
    "resource": "VARCHAR",
    "exact": "BLOB",
    **{
        name: "BOOLEAN" if name in {"counted", "counts"} else "BIGINT" if kind.startswith("INTEGER") else "VARCHAR"
        for name, kind in COLUMNS.items()
    },
    "project": "VARCHAR",
}
PAYLOAD_TYPES: Final = {"number": "BIGINT", "hash": "VARCHAR", "data": "BLOB"}
WHOLE: Final = ("input", "output", "rest", "resource", "exact")
"""Columns of a whole span beside those of a bare one."""
_PROJECT, _COUNTED, _COUNTS = (list(COLUMNS).index(name) for name in ("project", "counted", "counts"))
_STATUS: Final = list(CORE_TYPES).index("status")
_HASH_BYTES: Final = 16


class Rows:
    """Rows of a segment that is being filled."""

    def __init__(self) -> None:
        self.core: list[tuple[Any, ...]] = []
        self.payload: list[tuple[int, str, bytes]] = []
        self.words: list[tuple[int, str]] = []
        self.links: list[tuple[int, int]] = []
        self.size_bytes = 0
        self._numbers: dict[bytes, int] = {}
        self._names: dict[str, int] = {}
        self._kept: set[int] = set()

    def add(self, trace: int, started_ns: int, spans: Sequence[Kept]) -> None:
        """All spans of a trace."""
        children: dict[str, int] = {}
        for kept in spans:
            children[kept.span.parent_id] = children.get(kept.span.parent_id, 0) + 1
        for kept in spans:
            self._add(trace, started_ns, kept, children.get(kept.span.span_id, 0))

    def ordered(self) -> list[tuple[Any, ...]]:
        """The core's rows, failures first: a page of what is asked for most is then read of few places of the file."""
        return sorted(self.core, key=lambda row: row[_STATUS] != "error")

    def _add(self, trace: int, started_ns: int, kept: Kept, child_count: int) -> None:
        span = kept.span
        rest, resource, exact = _told(span)
        inside, outside = ([self._keep(part) for part in content.parts] for content in (span.input, span.output))
        said = {self._name(span.name), *inside, *outside}
        self.links += [(number, kept.number) for number in said]
        self.size_bytes += len(rest) + len(exact or b"")
        row: list[Any] = list(row_of(span, 0, trace, counts=kept.counts))
        row[_PROJECT], row[_COUNTED], row[_COUNTS] = span.project, span.counted, kept.counts
        head = (kept.number, span.trace_id, started_ns, child_count, list(labels_of(span)), inside, outside)
        self.core.append((*head, rest, resource, exact, *row))

    def _keep(self, part: bytes) -> int:
        digest = _hash(part)
        number = self._number(digest, part)
        if number not in self._kept:
            self._kept.add(number)
            self.payload.append((number, digest.hex(), part))
            self.size_bytes += len(part)
        return number

    def _name(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            part = json.encode(name)
            number = self._names[name] = self._number(_hash(part), part)
        return number

    def _number(self, digest: bytes, part: bytes) -> int:
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._numbers) + 1
            self.words.append((number, text_of(part)))
        return number


def whole_span(told: Mapping[str, Any], parts: Mapping[int, bytes], names: tuple[str, str]) -> Span:
    """A span of a core's row and its messages."""
    bare = bare_span(dict(told), names)
    rest, resource = json.decode(told["rest"]), json.decode(told["resource"])
    if told["exact"] is not None:
        rest, resource = msgpack.decode(told["exact"])
    usage = rest["usage"]
    return structs.replace(
        bare,
        usage=usage_of(None if usage is None else tuple(usage)),
        cost_nano_usd=rest["cost_nano_usd"],
        metadata=rest["metadata"],
        attributes=rest["attributes"],
        resource=resource,
        events=span_events(tuple((name, at_ns, attributes) for name, at_ns, attributes in rest["events"])),
        input=_content(told["input"], parts, bare.input.preview, is_messages=rest["input_is_messages"]),
        output=_content(told["output"], parts, bare.output.preview, is_messages=rest["output_is_messages"]),
    )


def numbers_in(rows: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """Of the messages that rows name."""
    for row in rows:
        yield from row["input"]
        yield from row["output"]


def _content(numbers: Sequence[int], parts: Mapping[int, bytes], preview: str, *, is_messages: bool) -> Content:
    return Content(parts=tuple(parts[number] for number in numbers), is_messages=is_messages, preview=preview)


def _told(span: Span) -> tuple[str, str, bytes | None]:
    """``rest``, ``resource``, ``exact``."""
    rest: dict[str, Any] = {
        "usage": None if span.usage is None else list(usage_numbers(span.usage) or ()),
        "cost_nano_usd": span.cost_nano_usd,
        "metadata": dict(span.metadata),
        "attributes": dict(span.attributes),
        "events": [[event.name, event.at_ns, dict(event.attributes)] for event in span.events],
        "input_is_messages": span.input.is_messages,
        "output_is_messages": span.output.is_messages,
    }
    resource = dict(span.resource)
    texts = json.encode(rest), json.encode(resource)
    is_same = [json.decode(text) for text in texts] == [rest, resource]
    return texts[0].decode(), texts[1].decode(), None if is_same else msgpack.encode((rest, resource))


def _hash(part: bytes) -> bytes:
    return blake2b(part, digest_size=_HASH_BYTES).digest()
