"""One HTTP/1.1 connection to an upstream: bytes out in one write, bytes in through llhttp.

A connection is idle (pooled), busy with exactly one exchange, or closed; closed is final. It goes back to the pool only
when the answer was complete, the upstream means to stay, everything was sent, and not one byte came that nobody asked
for: a byte too many would be read as the start of the next caller's answer (RFC 9112 §11.2).
"""

import asyncio
import re
from collections.abc import Coroutine
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from switchgear.kernel.errors import SwitchgearError, UpstreamError, UpstreamGarbled, UpstreamTruncated
from switchgear.kernel.outbox import Outbox
from switchgear.kernel.reply import Headers
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Timers
from switchgear.upstream.exchange import Exchange

JOINED_BODY_BYTES = 64 * 1024
SHOWN_BYTES = 40
STAY_SECONDS = re.compile(rb"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


class Home(Protocol):
    """The pool that a connection belongs to."""

    where: str
    active: set[Exchange]
    outbox: Outbox
    max_head_bytes: int
    max_inflated_bytes: int

    def take_back(self, connection: "Connection") -> None:
        """The connection can carry another exchange."""
        ...

    def forget(self, connection: "Connection") -> None:
        """The connection is closed; called once."""
        ...


class Connection(asyncio.Protocol):
    """Carries one exchange after another; made by the pool, driven by the event loop."""

    __slots__ = (
        "_exchange",
        "_headers",
        "_home",
        "_is_head",
        "_keeps_alive",
        "_loop",
        "_overhead_bytes",
        "_parser",
        "_receiving",
        "_surplus",
        "_transport",
        "_until_close",
        "_uploading",
        "_writable",
        "closed",
        "idle_until",
        "stays_seconds",
        "where",
    )

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop) -> None:
        self.where = home.where
        self.closed = False
        self.idle_until = 0.0
        self.stays_seconds: float | None = None
        """How long the upstream said it keeps an idle connection."""
        self._home = home
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._exchange: Exchange | None = None
        self._receiving: Exchange | None = None
        self._headers: Headers = []
        self._is_head = False
        self._keeps_alive = False
        self._surplus = False
        self._until_close = False
        self._overhead_bytes = 0
        self._uploading = False
        self._writable: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------------------------------------- the pool's side

    def start(self, head: bytes, body: bytes, timers: Timers, total_at: float, *, is_head: bool) -> Exchange:
        """Send one request at the end of this round. The connection must be idle and not closed."""
        transport = self._transport
        assert transport is not None
        if self._parser is None:
            self._parser = HttpResponseParser(self)
        first_byte_at = self._loop.time() + timers.first_byte_seconds
        exchange = Exchange(self, timers, self._loop, first_byte_at, total_at)
        self._exchange = self._receiving = exchange
        self._is_head = is_head
        self._surplus = False
        self._overhead_bytes = 0
        self._home.active.add(exchange)
        if len(body) <= JOINED_BODY_BYTES:
            self._home.outbox.put(transport, head + body)
        else:
            transport.writelines((head, body))
            exchange.watch_upload(len(head) + len(body))
        return exchange

    def upload(self, exchange: Exchange, upload: Upload) -> Coroutine[None, None, None]:
        """Send the body of the request that was started, as fast as the socket takes it.

        From this call on the connection is good for no other request until all of it is sent.
        """
        self._uploading = True
        return self._upload(exchange, upload)

    async def _upload(self, exchange: Exchange, upload: Upload) -> None:
        chunked = upload.size_bytes is None
        exchange.await_upload()
        try:
            async for piece in upload:
                if not await self._send_piece(exchange, b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece):
                    return
        except SwitchgearError as error:
            if self._exchange is exchange:
                self.break_off(error)
            return
        if self._exchange is exchange and self._transport is not None:
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            self._uploading = False
            exchange.uploaded()

    async def _send_piece(self, exchange: Exchange, piece: bytes) -> bool:
        """Whether there is still somebody to send to."""
        transport = self._transport
        if transport is None or self.closed or self._exchange is not exchange:
            return False
        transport.write(piece)
        if self._writable is not None:
            exchange.watch_upload(self.unsent_bytes())
            await self._writable
            exchange.await_upload()
        return True

    def abort(self) -> None:
        """Close the socket at once; harmless when called again."""
        if self.closed:
            return
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        self._home.forget(self)

    # --------------------------------------------------------------------------------------------- the exchange's side

    def break_off(self, error: SwitchgearError) -> None:
        exchange = self._exchange
        self._exchange = self._receiving = None
        self.abort()
        if exchange is not None:
            self._home.active.discard(exchange)
            exchange.end(error)

    def pause(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def unsent_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    # ------------------------------------------------------------------------------------------------- the loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do everything of asyncio.Transport without deriving from it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._receiving
        parser = self._parser
        if exchange is None or parser is None:
            self.abort()
            return
        received_before = exchange.received_bytes
        self._overhead_bytes += len(data)
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._stumble(exchange, data, error)
            return
        if self._receiving is None:
            self._finish(exchange)
        elif exchange.received_bytes != received_before:
            self._overhead_bytes = 0
            exchange.arrived()
        elif self._overhead_bytes > self._home.max_head_bytes:
            limit_bytes = self._home.max_head_bytes
            self.break_off(UpstreamGarbled(f"{self.where} sent more than {limit_bytes} bytes of headers or framing"))
        elif exchange.status:
            exchange.wake()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def eof_received(self) -> None:
        self._hang_up(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hang_up(exc)
        self.resume_writing()
        # Parser and connection hold each other.
        self._parser = None
        self._transport = None

    # ----------------------------------------------------------------------------------------------- the parser's side

    def on_message_begin(self) -> None:
        if self._receiving is None:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        exchange = self._receiving
        parser = self._parser
        # Trailers and whatever else comes later end up in a list that nobody reads.
        headers, self._headers = self._headers, []
        if exchange is None or parser is None:
            return
        status = parser.get_status_code()
        if status < 200:
            if status == 101:
                self.break_off(UpstreamGarbled(f"{self.where} switched to another protocol, which was not asked for"))
            return
        try:
            self._open(exchange, status, headers)
        except UpstreamError as error:
            self.break_off(error)
            return
        if self._is_head:
            self._receiving = None
            self._keeps_alive = parser.should_keep_alive()
            # llhttp cannot be told that a body will not follow, so it cannot be used again.
            self._parser = None

    def on_body(self, body: bytes) -> None:
        exchange = self._receiving
        if exchange is None:
            self._surplus = True
            return
        exchange.chunks.append(body)
        exchange.received_bytes += len(body)

    def on_message_complete(self) -> None:
        exchange = self._receiving
        if exchange is None or not exchange.status or self._parser is None:
            return
        self._receiving = None
        self._keeps_alive = self._parser.should_keep_alive()

    # ------------------------------------------------------------------------------------------------------- endings

    def _open(self, exchange: Exchange, status: int, headers: Headers) -> None:
        named = dict(headers)
        coding = named.get(b"content-encoding", b"")
        if coding:
            coding = coding.strip().lower()
            coding = b"" if coding == b"identity" else coding
        framing = named.get(b"transfer-encoding")
        if framing is not None and framing.strip().lower() != b"chunked":
            raise UpstreamGarbled(
                f"{self.where} answered in transfer-encoding {shown(framing)}, which was not asked for"
            )
        stay = named.get(b"keep-alive")
        if stay is not None:
            match = STAY_SECONDS.search(stay)
            self.stays_seconds = None if match is None else float(match[1])
        self._until_close = framing is None and b"content-length" not in named
        if self._overhead_bytes > self._home.max_head_bytes:
            self._check_head_size(headers)
        exchange.open(status, headers, coding.decode("latin-1"), self._home.max_inflated_bytes)

    def _check_head_size(self, headers: Headers) -> None:
        size_bytes = sum([len(name) + len(value) + 4 for name, value in headers])
        if size_bytes > self._home.max_head_bytes:
            raise UpstreamGarbled(
                f"{self.where} sent {size_bytes} bytes of headers, the limit is {self._home.max_head_bytes}"
            )

    def _stumble(self, exchange: Exchange, data: bytes, error: Exception) -> None:
        """The bytes are not HTTP; behind a complete answer that only spoils the connection."""
        if self._receiving is None:
            self._surplus = True
            self._finish(exchange)
            return
        self.break_off(UpstreamGarbled(f"{self.where} answered bytes that are not HTTP ({error}): {shown(data)}"))

    def _finish(self, exchange: Exchange) -> None:
        transport = self._transport
        if self._exchange is None or transport is None:
            return
        self._exchange = None
        self._home.active.discard(exchange)
        stays = self._keeps_alive and not self._surplus and not self.closed and not self._uploading
        if stays and transport.get_write_buffer_size() == 0:
            if exchange.paused:
                transport.resume_reading()
            self._home.take_back(self)
        else:
            self.abort()
        exchange.end(None)

    def _hang_up(self, exc: Exception | None) -> None:
        self.abort()
        exchange = self._exchange
        if exchange is None:
            return
        self._exchange = self._receiving = None
        self._home.active.discard(exchange)
        exchange.end(self._verdict(exchange, exc))

    def _verdict(self, exchange: Exchange, exc: Exception | None) -> SwitchgearError | None:
        """What a hang-up means for the exchange; None: the body was to last until the connection closed."""
        reason = "closed the connection" if exc is None else f"broke the connection ({exc})"
        if not exchange.status:
            when = "in the middle of its headers" if self._overhead_bytes else "before answering"
            return UpstreamTruncated(f"{self.where} {reason} {when}")
        if self._until_close and exc is None:
            return None
        return UpstreamTruncated(f"{self.where} {reason} after {exchange.received_bytes} body bytes, before the end")


def shown(data: bytes) -> str:
    """The beginning of ``data``, as it may stand in a message."""
    return repr(data[:SHOWN_BYTES])[1:] + ("…" if len(data) > SHOWN_BYTES else "")
