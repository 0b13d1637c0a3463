"""Server-sent events (WHATWG HTML §9.2): cut a byte stream into complete frames, and read the events in them.

A frame ends with a blank line. Lines end with LF, CRLF or CR. Cutting is separate from reading because a relay
forwards whole frames untouched and reads only the few that matter.
"""

import re
from collections.abc import Iterator
from typing import Final

from switchgear.kernel.errors import UpstreamGarbled

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
"""A frame larger than this is no event but a mistake or an attack."""

_BLANK_LINE: Final = re.compile(rb"\r\n\r\n|\n\r\n|\r\n\n|\n\n|\r\r")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOUNDARY_BYTES: Final = 3
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


STREAM_TYPE: Final = b"text/event-stream; charset=utf-8"


class FrameSplitter:
    """Collects bytes and gives back all frames that are complete; O(1) state but for one unfinished frame."""

    __slots__ = ("_limit_bytes", "_rest")

    def __init__(self, limit_bytes: int = MAX_FRAME_BYTES) -> None:
        self._rest = bytearray()
        self._limit_bytes = limit_bytes

    def feed(self, data: bytes) -> bytes:
        """The complete frames, joined as they came; ``b""`` while none is complete.

        Raises UpstreamGarbled when one frame outgrows the limit.
        """
        if not self._rest and data.endswith(b"\n\n"):
            return data
        searched = max(len(self._rest) - _BOUNDARY_BYTES, 0)
        self._rest += data
        end = self._last_boundary(searched)
        if end < 0:
            if len(self._rest) > self._limit_bytes:
                raise UpstreamGarbled(f"one stream event is larger than {self._limit_bytes} bytes")
            return b""
        frames = bytes(memoryview(self._rest)[:end])
        del self._rest[:end]
        return frames

    def _last_boundary(self, start: int) -> int:
        ends = (
            (at + len(mark)) if (at := self._rest.rfind(mark, start)) >= 0 else -1
            for mark in (b"\n\n", b"\n\r\n", b"\r\r")
        )
        return max(ends)

    @property
    def unfinished(self) -> bytes:
        """What came after the last complete frame."""
        return bytes(self._rest)


def read_events(frames: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (event name, data) of each event in complete frames; comments and events without data are skipped."""
    frames = frames.removeprefix(_BYTE_ORDER_MARK)
    blocks = frames.split(b"\n\n") if b"\r" not in frames else _BLANK_LINE.split(frames)
    for block in blocks:
        if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
            yield b"", block[6:]
        elif block:
            yield from _read_block(block)


def _read_block(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    name = b""
    data: list[bytes] = []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    if data:
        yield name, b"\n".join(data)


def event(data: bytes, name: bytes = b"") -> bytes:
    """One event as a frame; ``data`` holds no line ends (JSON never does)."""
    if name:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"data: %b\n\n" % data
