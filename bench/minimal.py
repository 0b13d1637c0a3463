"""The floor: a reverse proxy that only moves bytes, on uvloop, with one keep-alive connection upstream for each client.

No parsing of JSON, no keys, no records: what it reaches, Python would reach here if a gateway cost nothing.
Run as a script: minimal.py PORT_FILE UPSTREAM_PORT. It takes a free port and writes it into the file.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop


class Upstream(asyncio.Protocol):
    """The far side: everything it says goes to the client."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.close()


class Client(asyncio.Protocol):
    """The near side. What it says before the upstream connection stands is kept and sent then."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._waiting = bytearray()
        self._upstream: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: Upstream(self._client), "127.0.0.1", self._upstream_port)
        transport.write(bytes(self._waiting))
        self._upstream = transport

    def data_received(self, data: bytes) -> None:
        if self._upstream is None:
            self._waiting += data
        else:
            self._upstream.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.close()
        elif self._connecting is not None:
            self._connecting.cancel()


async def serve(port_file: Path, upstream_port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Client(upstream_port), "127.0.0.1", 0, backlog=4096)
    # By rename: a reader finds the whole number or no file.
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
