"""HTTP/1.1 response bytes (RFC 9112)."""

from http import HTTPStatus
from typing import Final

from switchgear.kernel.reply import Headers

NO_BODY: Final = (204, 304)
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


def status_lines() -> dict[int, bytes]:
    """Every status line worth having ready."""
    lines = {status: b"HTTP/1.1 %d \r\n" % status for status in range(200, 600)}
    lines.update({status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus})
    return lines


class ResponseWriter:
    """Puts response heads together."""

    __slots__ = ("_status_lines",)

    def __init__(self) -> None:
        self._status_lines = status_lines()

    def head(self, status: int, headers: Headers, framing: bytes, *, close: bool) -> bytes:
        """Status line and headers; ``framing`` is the Content-Length or Transfer-Encoding line, or nothing."""
        lines = [self._status_lines[status]]
        lines += [b"%b: %b\r\n" % header for header in headers]
        lines.append(framing)
        lines.append(b"connection: close\r\n\r\n" if close else b"\r\n")
        return b"".join(lines)

    def whole(self, status: int, headers: Headers, body: bytes, *, close: bool, with_body: bool) -> bytes:
        """A complete response; ``with_body`` is False for HEAD."""
        framing = b"" if status in NO_BODY else b"content-length: %d\r\n" % len(body)
        head = self.head(status, headers, framing, close=close)
        return head + body if with_body and status not in NO_BODY else head


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
