"""Frames of a WebSocket (RFC 6455 §5), followed by their lengths while they go by, and the one that closes it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

CLOSE: Final = 0x88
_LENGTHS: Final = {126: 2, 127: 8}
_MASKED: Final = 0x80
_CONTROL: Final = 0x8
_FINAL: Final = 0x80
_MOST_REASON_BYTES: Final = 123


class Piece(NamedTuple):
    """What came of one frame's payload: a span of the bytes that were fed."""

    start: int
    end: int
    control: bool
    """Pings, pongs and closes may stand between the frames of a message."""
    ends: bool
    """Whether this is the end of the message."""


class FrameWalk:
    """Follows the frames of one direction."""

    __slots__ = ("_control", "_final", "_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        """Of a frame, as far as it came."""
        self._left: int = 0
        """Of a frame's payload."""
        self._final = False
        self._control = False

    @property
    def between(self) -> bool:
        """Whether the last frame is whole, so that another may follow."""
        return not self._head and not self._left

    def pass_by(self, data: bytes) -> None:
        """Follow more bytes without a look at them."""
        for _ in self.feed(data):
            pass

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Follow more bytes; the payload in them."""
        at = 0
        while at < len(data):
            if self._left:
                end: int = min(at + self._left, len(data))
                self._left -= end - at
                yield self._piece(at, end)
                at = end
            else:
                self._head += data[at : at + 1]
                at += 1
                if self._read_head() and not self._left:
                    yield self._piece(at, at)

    def _piece(self, start: int, end: int) -> Piece:
        ends = self._final and not self._left and not self._control
        return Piece(start, end, self._control, ends)

    def _read_head(self) -> bool:
        """Whether the head is whole."""
        head = self._head
        if len(head) < 2:
            return False
        length = head[1] & 0x7F
        masked = 4 if head[1] & _MASKED else 0
        extended = _LENGTHS.get(length, 0)
        if len(head) < 2 + extended + masked:
            return False
        if extended:
            length = int.from_bytes(head[2 : 2 + extended], "big")
        self._head = b""
        self._left = length
        self._final = bool(head[0] & _FINAL)
        self._control = bool(head[0] & _CONTROL)
        return True


def close_frame(code: int, reason: str, mask: bytes = b"") -> bytes:
    """The frame that closes a connection; a client's is masked with these four bytes (§5.5.1)."""
    payload = code.to_bytes(2, "big") + reason.encode()[:_MOST_REASON_BYTES]
    if not mask:
        return bytes((CLOSE, len(payload))) + payload
    masked = bytes(byte ^ mask[at % len(mask)] for at, byte in enumerate(payload))
    return bytes((CLOSE, _MASKED | len(payload))) + mask + masked
