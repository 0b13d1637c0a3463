"""An upstream that does exactly what a script says with each connection, well-behaved or not.

A script is a coroutine function that is given the peer of one accepted connection; when it returns, the connection is
closed. Nothing stands between the script and the socket, so it can break any rule of HTTP.
"""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from switchgear.kernel.upstream import Origin

SIZE = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Peer:
    """The client's end of one connection, as the script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """The next request's head and body. Raises asyncio.IncompleteReadError when the client goes away."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        size = SIZE.search(head)
        return head, b"" if size is None else await self._reader.readexactly(int(size[1]))

    async def until(self, mark: bytes) -> bytes:
        """What comes up to ``mark``, with it."""
        return await self._reader.readuntil(mark)

    async def exactly(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        return await self._reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        """Send ``data`` as it stands."""
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the client has closed the connection; what it sends before is thrown away."""
        while await self._reader.read(65536):
            pass

    def reset(self) -> None:
        """Break the connection off with RST."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedUpstream:
    """A server on loopback, or on a Unix socket, for the time of an ``async with``."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, socket_path: str | None = None) -> None:
        self.connections = 0
        """How many were accepted so far."""
        self._script = script
        self._tls = tls
        self._socket_path = socket_path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> Origin:
        scheme = "http" if self._tls is None else "https"
        if self._socket_path is not None:
            return Origin(scheme=scheme, host="localhost", port=80, socket_path=self._socket_path)
        assert self._server is not None
        return Origin(scheme=scheme, host="127.0.0.1", port=int(self._server.sockets[0].getsockname()[1]))

    async def __aenter__(self) -> Self:
        if self._socket_path is not None:
            self._server = await asyncio.start_unix_server(self._accept, self._socket_path, ssl=self._tls)
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._run(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._script(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
