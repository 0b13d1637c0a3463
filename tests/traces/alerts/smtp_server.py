"""A mail server that keeps what it is given, on asyncio: as much of SMTP as a client that sends one mail speaks."""

import asyncio
import ssl
from types import TracebackType
from typing import Self


class MailServer:
    """On loopback, for the time of an ``async with``; offers STARTTLS where it is given a certificate."""

    def __init__(self, tls: ssl.SSLContext | None = None, refusal: bytes = b"") -> None:
        self.mails: list[bytes] = []
        self.commands: list[bytes] = []
        self.was_encrypted = False
        self._tls = tls
        self._refusal = refusal
        """What is answered to a mail in place of 250."""
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here ESMTP\r\n")
        while line := await reader.readline():
            self.commands.append(line.strip())
            word = line[:4].upper()
            if word == b"EHLO":
                offers = b"250-here\r\n" + (b"250-STARTTLS\r\n" if self._tls else b"")
                writer.write(offers + b"250 AUTH PLAIN\r\n")
            elif word == b"STAR":
                writer.write(b"220 go on\r\n")
                await writer.drain()
                await writer.start_tls(self._tls or ssl.create_default_context())
                self.was_encrypted = True
            elif word == b"AUTH":
                writer.write(b"235 welcome\r\n")
            elif word == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(self._refusal or b"250 taken\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
        writer.close()
