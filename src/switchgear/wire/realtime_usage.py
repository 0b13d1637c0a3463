"""Token counts of a Realtime session, read off the frames that the upstream sends (RFC 6455 §5) while they go by.

Each ``response.done`` tells the usage of one response; a session's is their sum. Frames are followed by their lengths,
of messages no more is looked at than passes by, and nothing but a usage is held.
"""

from typing import Final

from msgspec import structs

from switchgear.kernel.chat import Usage
from switchgear.wire.usage_scan import UsageScan

_DONE: Final = b'"response.done"'
_LENGTHS: Final = {126: 2, 127: 8}
_CONTROL: Final = 0x8


class SessionUsage:
    """``usage`` is the sum so far; None before the first response ended."""

    __slots__ = ("_done", "_final", "_head", "_left", "_scan", "_skips", "_tail", "usage")

    def __init__(self) -> None:
        self._head = b""
        """Of a frame, as far as it came."""
        self._left = 0
        """Of a frame's payload."""
        self._final = False
        self._skips = False
        self._done = False
        self._tail = b""
        self._scan = UsageScan()
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> None:
        """Look at more bytes from the upstream."""
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                self._look(piece)
            else:
                self._head += data[at : at + 1]
                at += 1
                self._read_head()

    def _read_head(self) -> None:
        head = self._head
        if len(head) < 2:
            return
        length = head[1] & 0x7F
        masked = 4 if head[1] & 0x80 else 0
        extended = _LENGTHS.get(length, 0)
        if len(head) < 2 + extended + masked:
            return
        if extended:
            length = int.from_bytes(head[2 : 2 + extended], "big")
        self._head = b""
        self._left = length
        self._final = bool(head[0] & 0x80)
        self._skips = bool(head[0] & _CONTROL)
        if not length:
            self._look(b"")

    def _look(self, piece: bytes) -> None:
        if self._skips:
            return
        if not self._done:
            window = self._tail + piece
            self._done = _DONE in window
            self._tail = window[-len(_DONE) :]
        self._scan.feed(piece)
        if self._left or not self._final:
            return
        if self._done and self._scan.usage is not None:
            self.usage = _sum(self.usage, self._scan.usage)
        self._done, self._tail, self._scan = False, b"", UsageScan()


def _sum(before: Usage | None, more: Usage) -> Usage:
    if before is None:
        return more
    counts = structs.asdict(more)
    return Usage(**{name: count + getattr(before, name) for name, count in counts.items() if name != "estimated"})
