"""A connection of its own to an upstream that agrees to speak WebSocket on it (RFC 6455 §4); raw bytes from then on."""

import asyncio
import ssl
from typing import TYPE_CHECKING, Final

from switchgear.kernel.errors import UpstreamGarbled, UpstreamTimeout, UpstreamTruncated, UpstreamUnreachable
from switchgear.kernel.reply import Headers
from switchgear.kernel.upstream import Target, Timers, Tunnel
from switchgear.upstream.request import extra_lines, request_prefix

_MAX_HEAD_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 64 * 1024
_MAX_REFUSAL_BYTES: Final = 64 * 1024
_REFUSAL_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 2.0
_UPGRADE: Final = b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n"


class SocketTunnel:
    """A Tunnel over one socket."""

    __slots__ = ("_reader", "_where", "_writer", "headers", "status")

    def __init__(self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: Headers = []
        self._where = where
        self._reader = reader
        self._writer = writer

    async def open(self, head: bytes) -> None:
        """Send the request and read the answer's head."""
        self._writer.write(head)
        try:
            answer = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise UpstreamTruncated(f"{self._where} closed the connection before answering") from error
        except asyncio.LimitOverrunError as error:
            raise UpstreamGarbled(f"{self._where} sent more than {_MAX_HEAD_BYTES} bytes of headers") from error
        first, *lines = answer[:-4].split(b"\r\n")
        words = first.split(b" ", 2)
        if len(words) < 2 or words[0] != b"HTTP/1.1" or not words[1].isdigit() or len(words[1]) != 3:
            raise UpstreamGarbled(f"{self._where} answered bytes that are not HTTP")
        self.status = int(words[1])
        parted = [line.partition(b":") for line in lines]
        self.headers = [(name.lower(), value.strip()) for name, _, value in parted]

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_PIECE_BYTES)
        except OSError as error:
            raise UpstreamTruncated(f"{self._where} broke the connection ({error})") from error

    async def refusal(self) -> bytes:
        length = dict(self.headers).get(b"content-length", b"")
        size = min(int(length), _MAX_REFUSAL_BYTES) if length.isdigit() else 0
        try:
            async with asyncio.timeout(_REFUSAL_SECONDS):
                return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            return b""

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise UpstreamTruncated(f"{self._where} broke the connection ({error})") from error

    def finish(self, last: bytes) -> None:
        transport = self._writer.transport
        if transport.get_write_buffer_size() or not last:
            # Nobody reads there: what is written now would wait for ever.
            transport.abort()
        else:
            transport.write(last)
            transport.close()
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, transport.abort)
        self._reader.set_exception(ConnectionAbortedError("let go of"))

    def close(self) -> None:
        self._writer.transport.abort()


async def open_tunnel(
    target: Target, tls: ssl.SSLContext, timers: Timers, extra_headers: tuple[tuple[str, str], ...]
) -> SocketTunnel:
    """Ask for a tunnel. Raises UpstreamUnreachable, UpstreamTimeout, UpstreamTruncated or UpstreamGarbled."""
    origin = target.origin
    where = f"{origin.scheme}://{origin.authority}"
    head = request_prefix(target) + extra_lines(extra_headers) + _UPGRADE
    try:
        async with asyncio.timeout(timers.connect_seconds):
            reader, writer = await asyncio.open_connection(
                origin.host,
                origin.port,
                ssl=tls if origin.scheme == "https" else None,
                limit=_MAX_HEAD_BYTES,
            )
    except TimeoutError as error:
        raise UpstreamTimeout(
            f"no connection to {where} within {timers.connect_seconds:g} s", phase="connect"
        ) from error
    except (OSError, UnicodeError) as error:
        raise UpstreamUnreachable(f"no connection to {where}: {error}") from error
    tunnel = SocketTunnel(where, reader, writer)
    try:
        async with asyncio.timeout(timers.first_byte_seconds):
            await tunnel.open(head)
    except TimeoutError as error:
        tunnel.close()
        message = f"{where} did not answer within {timers.first_byte_seconds:g} s"
        raise UpstreamTimeout(message, phase="first_byte") from error
    except BaseException:
        tunnel.close()
        raise
    return tunnel


if TYPE_CHECKING:
    _: type[Tunnel] = SocketTunnel
