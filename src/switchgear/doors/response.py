"""The constant bytes of HTTP/1.1 responses (RFC 9112)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from switchgear.kernel.reply import Frames, Pushing, Send

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


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def relay(frames: Frames, send: Send, blocked: Callable[[], Awaitable[None] | None]) -> None:
    """Send a body as its frames come; ``blocked`` tells what to wait for where ``send`` has no room."""
    if isinstance(frames, Pushing):
        while await frames.push(send):
            if (room := blocked()) is not None:
                await room
        return
    async for frame in frames:
        if not send(frame.raw) and (room := blocked()) is not None:
            await room
