"""The constant bytes of HTTP/1.1 responses (RFC 9112)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from switchgear.kernel.outbox import Outbox, Sink
from switchgear.kernel.reply import Frames, Send, pusher

NO_BODY: Final = (204, 304)
SWITCHING: Final = 101
"""What follows the head is of another protocol, until the connection ends."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"


def status_lines() -> dict[int, bytes]:
    """Every status line worth having ready."""
    lines = {status: b"HTTP/1.1 %d \r\n" % status for status in range(200, 600)}
    lines.update({status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus})
    return lines


class BodyWriter:
    """Writes a body that comes in pieces, and its head with the first of them, in one and the same write.

    Each write wakes the client: where the first piece is at hand, a head of its own would only delay it. Whoever has
    none yet calls :meth:`flush`.
    """

    __slots__ = ("_chunked", "_head", "_put", "_sink")

    def __init__(self, outbox: Outbox, sink: Sink, head: bytes, *, chunked: bool) -> None:
        self._put = outbox.put
        self._sink = sink
        self._head = head
        self._chunked = chunked

    def send(self, piece: bytes) -> None:
        """Write one piece, which must not be empty: an empty chunk would end the body."""
        head, self._head = self._head, b""
        self._put(self._sink, b"%b%x\r\n%b\r\n" % (head, len(piece), piece) if self._chunked else head + piece)

    def flush(self) -> None:
        """Write the head, if it is still to be written."""
        if self._head:
            head, self._head = self._head, b""
            self._put(self._sink, head)

    def end(self) -> None:
        """Write what tells the end of the body."""
        self.flush()
        if self._chunked:
            self._put(self._sink, LAST_CHUNK)


async def relay(frames: Frames, send: Send, blocked: Callable[[], Awaitable[None] | None]) -> None:
    """Send a body as its frames come; ``blocked`` tells what to wait for where ``send`` has no room."""
    push = pusher(frames)
    if push is not None:
        while await push(send):
            if (room := blocked()) is not None:
                await room
        return
    async for frame in frames:
        if not send(frame.raw) and (room := blocked()) is not None:
            await room
