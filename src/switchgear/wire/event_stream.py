"""Amazon's event streams (``application/vnd.amazon.eventstream``): messages of typed headers and a payload, in binary.

A message is a prelude (total length, length of the headers, CRC-32 of both), headers, a payload, and the CRC-32 of all
before it; numbers are big-endian. Specification: smithy.io/2.0/aws/amazon-eventstream.html. As for server-sent events,
cutting is separate from reading: a relay forwards whole messages untouched.
"""

import struct
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple
from uuid import UUID

from switchgear.kernel.errors import UpstreamGarbled

STREAM_TYPE: Final = b"application/vnd.amazon.eventstream"
MAX_HEADER_BYTES: Final = 128 * 1024
MAX_MESSAGE_BYTES: Final = 24 * 1024 * 1024
"""A message larger than this is no event but a mistake or an attack."""

_PRELUDE: Final = struct.Struct(">III")
_LENGTHS_BYTES: Final = 8
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_LEAST_BYTES: Final = _PRELUDE.size + _CRC.size
_MAX_NAME_BYTES: Final = 255
_MAX_VALUE_BYTES: Final = 32767
_LONG: Final = struct.Struct(">q")
_INTEGERS: Final = {1: struct.Struct(">b"), 2: struct.Struct(">h"), 4: struct.Struct(">i"), 8: _LONG}


class Integer(NamedTuple):
    """A whole number in ``width`` bytes."""

    value: int
    width: Literal[1, 2, 4, 8]


class Timestamp(NamedTuple):
    """Milliseconds since the Unix epoch."""

    milliseconds: int


HeaderValue = bool | Integer | Timestamp | bytes | str | UUID


class Message(NamedTuple):
    """One message; names of headers are as they came."""

    headers: Mapping[str, HeaderValue]
    payload: bytes
    end: int = 0
    """Where it ends among the bytes it was read from."""

    def word(self, name: str) -> str:
        """A header that is text; empty when it is not there or not text."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class MessageSplitter:
    """Collects bytes and gives back all messages that are complete; O(1) state but for one unfinished message.

    What cannot be a message is given back with those before it, so that whoever reads them finds the same fault however
    the bytes were cut.
    """

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _PRELUDE.size

    def feed(self, data: bytes) -> bytes:
        """The complete messages, joined as they came; ``b""`` while none is complete."""
        rest = self._rest
        if not rest:
            end, self._needed = _boundary(data)
            rest += memoryview(data)[end:]
            return data[:end]
        rest += data
        if len(rest) < self._needed:
            return b""
        end, self._needed = _boundary(rest)
        whole = bytes(memoryview(rest)[:end])
        del rest[:end]
        return whole


def _boundary(data: bytes | bytearray) -> tuple[int, int]:
    """Where the last complete message ends, and how many bytes are needed from there to know more."""
    at = 0
    while len(data) - at >= _PRELUDE.size:
        try:
            total = _total_bytes(data, at)
        except UpstreamGarbled:
            return len(data), _PRELUDE.size
        if at + total > len(data):
            return at, total
        at += total
    return at, _PRELUDE.size


def read_messages(messages: bytes) -> Iterator[Message]:
    """Each message of complete ones. Raises UpstreamGarbled for a wrong checksum, length or header.

    The messages before a broken one are given first.
    """
    at = 0
    while at < len(messages):
        if len(messages) - at < _PRELUDE.size:
            raise UpstreamGarbled("a message of the event stream is cut off")
        end = at + _total_bytes(messages, at)
        yield _read_message(messages, at, end)
        at = end


def _total_bytes(data: bytes | bytearray, at: int) -> int:
    total, headers, checksum = _PRELUDE.unpack_from(data, at)
    if crc32(memoryview(data)[at : at + _LENGTHS_BYTES]) != checksum:
        raise UpstreamGarbled("a message of the event stream begins with a wrong checksum")
    if headers > MAX_HEADER_BYTES or total < _LEAST_BYTES + headers:
        raise UpstreamGarbled(f"a message of the event stream claims {headers} bytes of headers in {total}")
    if total > MAX_MESSAGE_BYTES:
        raise UpstreamGarbled(f"one message of the event stream is larger than {MAX_MESSAGE_BYTES} bytes")
    return total


def _read_message(data: bytes, at: int, end: int) -> Message:
    if end > len(data):
        raise UpstreamGarbled("a message of the event stream is cut off")
    body_end = end - _CRC.size
    if crc32(memoryview(data)[at:body_end]) != _CRC.unpack_from(data, body_end)[0]:
        raise UpstreamGarbled("a message of the event stream has a wrong checksum")
    headers_at = at + _PRELUDE.size
    headers_end = headers_at + _PRELUDE.unpack_from(data, at)[1]
    try:
        headers = _read_headers(data[headers_at:headers_end])
    except (struct.error, UnicodeDecodeError, IndexError, KeyError):
        raise UpstreamGarbled("a message of the event stream has headers that cannot be read") from None
    return Message(headers, data[headers_end:body_end], end)


def _read_headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name = data[at + 1 : name_end].decode()
        if name in headers:
            raise KeyError(name)
        headers[name], at = _READERS[data[name_end]](data, name_end + 1)
    return headers


def _read_sized(data: bytes, at: int) -> tuple[bytes, int]:
    start = at + _LENGTH.size
    end = start + _LENGTH.unpack_from(data, at)[0]
    if end > len(data):
        raise IndexError
    return data[start:end], end


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    value, end = _read_sized(data, at)
    return value.decode(), end


def _read_uuid(data: bytes, at: int) -> tuple[UUID, int]:
    (value,) = struct.unpack_from("16s", data, at)
    return UUID(bytes=value), at + 16


def _read_timestamp(data: bytes, at: int) -> tuple[Timestamp, int]:
    return Timestamp(_LONG.unpack_from(data, at)[0]), at + _LONG.size


_Reader = Callable[[bytes, int], tuple[HeaderValue, int]]


def _integer_reader(width: Literal[1, 2, 4, 8]) -> _Reader:
    form = _INTEGERS[width]
    return lambda data, at: (Integer(form.unpack_from(data, at)[0], width), at + width)


_READERS: Final[Mapping[int, _Reader]] = {
    0: lambda _, at: (True, at),
    1: lambda _, at: (False, at),
    2: _integer_reader(1),
    3: _integer_reader(2),
    4: _integer_reader(4),
    5: _integer_reader(8),
    6: _read_sized,
    7: _read_text,
    8: _read_timestamp,
    9: _read_uuid,
}
_INTEGER_TYPES: Final = {1: 2, 2: 3, 4: 4, 8: 5}


def write_message(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """One message. Raises ValueError for a header that is too long for the format."""
    return framed(write_headers(headers), payload)


def write_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    """The headers as :func:`framed` takes them, for messages that have the same ones. Raises ValueError."""
    return b"".join([_write_header(name, value) for name, value in headers.items()])


def framed(headers: bytes, payload: bytes) -> bytes:
    """One message with ``headers`` that are encoded already."""
    lengths = struct.pack(">II", _LEAST_BYTES + len(headers) + len(payload), len(headers))
    message = b"%b%b%b%b" % (lengths, _CRC.pack(crc32(lengths)), headers, payload)
    return message + _CRC.pack(crc32(message))


def _write_header(name: str, value: HeaderValue) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) <= _MAX_NAME_BYTES:
        raise ValueError(f"the header {name[:40]!r} has a name of {len(encoded)} bytes")
    return b"%c%b%b" % (len(encoded), encoded, _write_value(value))


def _write_value(value: HeaderValue) -> bytes:
    match value:
        case bool():
            return b"\0" if value else b"\1"
        case Integer():
            return b"%c%b" % (_INTEGER_TYPES[value.width], _INTEGERS[value.width].pack(value.value))
        case Timestamp():
            return b"\x08" + _LONG.pack(value.milliseconds)
        case UUID():
            return b"\x09" + value.bytes
        case bytes():
            return b"\x06" + _sized(value)
        case str():
            return b"\x07" + _sized(value.encode())


def _sized(value: bytes) -> bytes:
    if len(value) > _MAX_VALUE_BYTES:
        raise ValueError(f"a header holds {len(value)} bytes where {_MAX_VALUE_BYTES} are the most")
    return _LENGTH.pack(len(value)) + value
