"""Bytes as they lie in the file: made small by zstd where that helps, and what a span has beside its columns."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, cast

import zstandard
from msgspec import Struct, msgpack

from switchgear.engines.sqlite_spans.wordbook import FIRST_BOOK
from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Span, SpanEvent

_SMALL_BYTES: Final = 64
"""Less than this hardly becomes smaller."""
_SMALL_DETAILS_BYTES: Final = 128
"""Numbers and names of such details become a few bytes smaller, for as much work as a text that becomes half as large.
"""
_BOOKISH_BYTES: Final = 4_096
"""What is longer has enough words of its own."""
_LEVEL: Final = 1
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""How frames of zstd begin."""
_MARK: Final = b"\xc1"
"""How frames begin that were packed by the book: neither msgpack nor UTF-8 has this byte."""
_BOOK: Final = zstandard.ZstdCompressionDict(FIRST_BOOK, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


class Packer:
    """Makes bytes small; belongs to one thread."""

    def __init__(self) -> None:
        book = zstandard.ZstdCompressionDict(FIRST_BOOK, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        book.precompute_compress(level=_LEVEL)  # pyright: ignore[reportUnknownMemberType]
        self._by_book = zstandard.ZstdCompressor(level=_LEVEL, dict_data=book, write_content_size=True)
        self._alone = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)

    def packed(self, data: bytes) -> bytes:
        # What begins like a frame is made one, so that it is not taken for one later.
        if len(data) < _SMALL_BYTES and not data.startswith((_MAGIC, _MARK)):
            return data
        if len(data) < _BOOKISH_BYTES:
            return _MARK + self._by_book.compress(data)
        return self._alone.compress(data)

    def details(self, details: "Details") -> bytes:
        """Of a span."""
        data = encoded(details)
        return data if len(data) < _SMALL_DETAILS_BYTES else self.packed(data)


class Unpacker:
    """Makes bytes what they were; belongs to one thread."""

    def __init__(self) -> None:
        self._by_book = zstandard.ZstdDecompressor(dict_data=_BOOK)
        self._alone = zstandard.ZstdDecompressor()

    def unpacked(self, data: bytes) -> bytes:
        if data.startswith(_MARK):
            return self._by_book.decompress(memoryview(data)[len(_MARK) :])
        return self._alone.decompress(data) if data.startswith(_MAGIC) else data

    def details(self, data: bytes) -> "Details":
        """Of a span."""
        return _DECODER.decode(self.unpacked(data))


class Details(Struct, array_like=True):
    """What lists never touch. Contents are numbers of table ``contents``."""

    name: int
    resource: int
    usage: tuple[int, ...] | None
    input: tuple[int, ...]
    output: tuple[int, ...]
    input_is_messages: bool
    output_is_messages: bool
    metadata: Mapping[str, str]
    attributes: Mapping[str, object]
    events: tuple[tuple[str, int, Mapping[str, object]], ...]
    cost_nano_usd: int | None
    """As it was told, which may be more than its column has room for."""

    def contents(self) -> set[int]:
        """All it refers to."""
        return {self.name, self.resource, *self.input, *self.output} - {0}


USAGE_FIELDS: Final = Usage.__struct_fields__
_USAGE_NUMBERS: Final[Callable[[Usage], tuple[int, ...]]] = attrgetter(*USAGE_FIELDS)
_DECODER: Final = msgpack.Decoder(Details)


def usage_numbers(usage: Usage | None) -> tuple[int, ...] | None:
    return None if usage is None else tuple(map(int, _USAGE_NUMBERS(usage)))


def usage_of(numbers: tuple[int, ...] | None) -> Usage | None:
    if numbers is None:
        return None
    return Usage(
        **cast("dict[str, Any]", {**dict(zip(USAGE_FIELDS, numbers, strict=False)), "estimated": bool(numbers[-1])})
    )


def encoded(value: object) -> bytes:
    """As msgpack; numbers that it has no room for become text."""
    try:
        return msgpack.encode(value)
    except OverflowError:
        return msgpack.encode(_tamed(value))


def events_of(span: Span) -> tuple[tuple[str, int, Mapping[str, object]], ...]:
    return tuple((event.name, event.at_ns, event.attributes) for event in span.events)


def span_events(told: tuple[tuple[str, int, Mapping[str, object]], ...]) -> tuple[SpanEvent, ...]:
    return tuple(SpanEvent(name=name, at_ns=at_ns, attributes=attributes) for name, at_ns, attributes in told)


def _tamed(value: object) -> object:
    if isinstance(value, Details):
        return [_tamed(getattr(value, name)) for name in Details.__struct_fields__]
    if isinstance(value, Mapping):
        return {str(key): _tamed(each) for key, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_tamed(each) for each in cast("list[object]", value)]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value
