"""A small closed-loop load of raw HTTP/1.1 calls, counting what came of each."""

import asyncio
import contextlib
import json
import re
from urllib.parse import urlsplit

from tests.e2e.live import KEY

_REQUEST_ID = re.compile(rb"x-request-id: req_([0-9a-f]{32})")


class Load:
    """Clients that call until told to stop; an answer counts when its last byte has come."""

    def __init__(self, url: str, *, stream: bool = False, model: str = "echo") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        messages = [{"role": "user", "content": "load"}]
        body = json.dumps({"model": model, "stream": stream, "messages": messages}).encode()
        self._request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body
        self.answered: list[str] = []
        self.failed: list[str] = []
        self.interrupted = 0
        self._stopping = asyncio.Event()

    async def run(self, clients: int) -> None:
        """Call with so many clients at once until :meth:`stop`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client())

    def stop(self) -> None:
        """Let every client finish its call and end."""
        self._stopping.set()

    async def _client(self) -> None:
        while not self._stopping.is_set():
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError:
                self.interrupted += 1
                await asyncio.sleep(0.01)
                continue
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._calls(reader, writer)
            writer.close()

    async def _calls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._stopping.is_set():
            writer.write(self._request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._body(reader, head)
            except (OSError, asyncio.IncompleteReadError):
                self.interrupted += 1
                raise
            found = _REQUEST_ID.search(head)
            call_id = found[1].decode() if found else "?"
            (self.answered if head.startswith(b"HTTP/1.1 200") else self.failed).append(call_id)
            if b"connection: close" in head:
                return

    async def _body(self, reader: asyncio.StreamReader, head: bytes) -> None:
        length = re.search(rb"content-length: (\d+)", head)
        if length:
            await reader.readexactly(int(length[1]))
            return
        await reader.readuntil(b"0\r\n\r\n")
