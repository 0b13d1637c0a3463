"""Reading requests off a connection: httptools' callbacks fill a request until it is whole, within bounds.

A request is delivered when it is whole; one whose endpoint takes uploads when its head is, and its body follows.
Nothing here writes or waits. A request that breaks a bound, or is no HTTP at all, is delivered with its refusal.

The parser is strict about framing (line ends, chunk sizes, lengths, both lengths at once). What it lets through and
two servers might read differently is refused here: other transfer codings than ``chunked``, other versions than 1.0
and 1.1, HTTP/1.0 with a transfer coding, a missing or second Host (RFC 9112 §3.2, §6.1). Trailers are dropped
(RFC 9110 §6.5): what comes after the body must not authenticate it. The wish for another protocol is ignored, as a
server may (RFC 9110 §7.8): clients that say ``Upgrade: h2c`` with every first request are served in HTTP/1.1.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

import httptools

from switchgear.doors.bounds import Room
from switchgear.doors.endpoint import Endpoint, Request, Taken
from switchgear.doors.incoming import Incoming
from switchgear.doors.loopback import is_loopback
from switchgear.kernel.errors import (
    BadRequest,
    BodyTooLarge,
    HeadersTooLarge,
    Overloaded,
    SwitchgearError,
)

_SINGULAR: Final = frozenset(
    (
        b"host",
        b"content-length",
        b"content-type",
        b"transfer-encoding",
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"anthropic-version",
    )
)
"""Headers of which two would leave open which one counts."""
_VERSIONS: Final = ("1.1", "1.0")
_UNCOUNTED_BYTES: Final = 16 * 1024
"""Taking room for every head and every small body would cost most calls more than it is worth."""
_HEADER_OVERHEAD_BYTES: Final = 4
"""The colon, the space and the line end: headers of no length cost memory too."""


Find = Callable[[Request], Endpoint | None]
"""Notes a request's endpoint in it; raises MethodNotAllowed, or what refuses a stranger by the head alone."""


class Intake:
    """The request being read on one connection."""

    __slots__ = ("_body", "_bounds", "_deliver", "_find", "_framing", "_head_bytes", "_header_count", "_headers",
                 "_invite", "_loopback", "_max_head_bytes", "_max_headers", "_over", "_parser", "_pause", "_peer",
                 "_refusal", "_request", "_room", "_taken_bytes", "_tunnel", "_unparsed_bytes", "_url", "_version",
                 "receiving")  # fmt: skip

    def __init__(
        self,
        room: Room,
        find: Find,
        *,
        deliver: Callable[[Request], None],
        invite: Callable[[], None],
        pause: Callable[[], None],
        peer: str,
    ) -> None:
        """``deliver`` takes each request, ``invite`` answers ``Expect: 100-continue``, ``pause`` stops the client."""
        bounds = self._bounds = room.bounds
        self._max_head_bytes = bounds.max_head_bytes
        self._max_headers = bounds.max_headers
        self._find = find
        self._deliver = deliver
        self._invite = invite
        self._pause = pause
        self._room = room
        self._taken_bytes = 0
        self._peer = peer
        self._loopback = is_loopback(peer)
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._header_count = 0
        self._unparsed_bytes = 0
        self._url = b""
        self._version = ""
        self._body: bytes | bytearray = b""
        self._framing = b""
        """A head that says how the body is framed that the parser passed over; see :meth:`_read_on`."""
        self._request: Request | None = None
        self._refusal: SwitchgearError | None = None
        self._over = False
        self._tunnel: Incoming | None = None
        """What follows a request that asked for the connection to be closed is no request (RFC 9112 §9.6)."""
        self.receiving = False

    def feed(self, data: bytes) -> Request | None:
        """Read more bytes; a request that must be refused comes back, after which nothing more can be read."""
        if self._tunnel is not None:
            self._take_tunnelled(self._tunnel, data)
            return None
        if self._over:
            return None
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                rest = memoryview(data)[stop.args[0] :]
                if self._tunnel is not None:
                    self._take_tunnelled(self._tunnel, bytes(rest))
                else:
                    self._read_on(rest)
        except httptools.HttpParserError as error:
            if self._over:
                return None
            self._refusal = self._refusal or BadRequest(f"the request is not well-formed HTTP/1.1: {error}")
        if self.receiving:
            self._count_arriving(len(data))
        return self.refuse(self._refusal) if self._refusal is not None else None

    def _count_arriving(self, byte_count: int) -> None:
        if self._request is None:
            self._count_unparsed(byte_count)
        more = self._head_bytes + len(self._body) - self._taken_bytes
        if more < _UNCOUNTED_BYTES:
            return
        if self._room.take(more):
            self._taken_bytes += more
            return
        self._refusal = self._refusal or Overloaded(
            f"requests that arrive take up all the room there is for them, {self._bounds.max_arriving_bytes} bytes "
            "(server.max_arriving_bytes)",
            retry_after_seconds=1,
        )

    def _leave_room(self) -> None:
        self._room.give_back(self._taken_bytes)
        self._taken_bytes = 0

    def close(self) -> None:
        """Nothing more will come. Whoever holds this in turn is let go, so that what has arrived is freed at once."""
        self._leave_room()
        del self._parser, self._deliver, self._invite, self._pause

    @property
    def expected_bytes(self) -> int:
        """How much must still come of a body that said how long it is."""
        request = self._request
        if request is None or b"content-length" not in request.headers:
            return 0
        received = len(self._body) if request.upload is None else request.upload.received_bytes
        return int(request.headers[b"content-length"]) - received

    def _take_tunnelled(self, tunnel: Incoming, data: bytes) -> None:
        if data and tunnel.arrived(data):
            self._pause()

    def _read_on(self, rest: memoryview) -> None:
        """Go on behind a head that asks for an upgrade: there the parser stops, and takes a body for another protocol.

        Another one, fed a head with the same framing and no such wish, reads that body as what it is. (The first one
        cannot: if the connection is to be closed it takes no more.)
        """
        while self._refusal is None and not self._over:
            try:
                if self._framing:
                    framing, self._framing = self._framing, b""
                    self._parser = httptools.HttpRequestParser(self)
                    self._parser.feed_data(framing)
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as stop:
                rest = rest[stop.args[0] :]
            else:
                return

    def _count_unparsed(self, byte_count: int) -> None:
        """The parser tells of a header when it is whole; one that never ends must not grow for ever.

        A request that began in the middle of these bytes is given them for nothing.
        """
        if self._unparsed_bytes < 0:
            self._unparsed_bytes = 0
            return
        self._unparsed_bytes += byte_count
        if self._unparsed_bytes > self._bounds.max_head_bytes:
            self._refusal = self._refusal or self._head_too_large()

    def refuse(self, refusal: SwitchgearError) -> Request:
        """The request as far as it came, with its refusal."""
        request = self._request or self._make_request("POST")
        request.refusal = refusal
        self._body = b""
        self._leave_room()
        if request.upload is not None:
            request.upload.fail(refusal)
        if request.endpoint is None and request.path:
            with suppress(SwitchgearError):
                self._find(request)
        self.receiving = False
        return request

    def on_message_begin(self) -> None:
        if self._refusal is not None or self._request is not None:
            return
        self._headers = {}
        self._head_bytes = 0
        self._header_count = 0
        self._unparsed_bytes = -1
        self.receiving = True

    def on_url(self, url: bytes) -> None:
        if self._refusal is not None or self._request is not None:
            return
        self._url += url
        self._head_bytes += len(url)
        if self._head_bytes > self._max_head_bytes:
            self._refusal = self._head_too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Counted in place: this runs for every header of every call.
        self._header_count += 1
        self._head_bytes += len(name) + len(value) + _HEADER_OVERHEAD_BYTES
        if self._head_bytes > self._max_head_bytes or self._header_count > self._max_headers:
            self._refusal = self._refusal or self._head_too_large()
        if self._request is not None or self._refusal is not None:
            return
        name = name.lower()
        headers = self._headers
        if name not in headers:
            headers[name] = value
        elif name in _SINGULAR:
            self._refusal = BadRequest(f"the header {name.decode('latin-1')!r} was sent twice")
        else:
            headers[name] += b", " + value

    def _head_too_large(self) -> HeadersTooLarge:
        bounds = self._bounds
        return HeadersTooLarge(
            f"the request line and headers are over {bounds.max_head_bytes} bytes or {bounds.max_headers} headers"
        )

    def on_headers_complete(self) -> None:
        if self._refusal is not None or self._request is not None:
            return
        request = self._request = self._make_request(self._parser.get_method().decode("latin-1"))
        headers = self._headers
        self._refusal = self._ambiguity(request.method, headers)
        if self._refusal is not None:
            return
        try:
            self._find(request)
        except SwitchgearError as error:
            self._refusal = error
            return
        length = headers.get(b"content-length")
        taken = self._taken(request)
        limit_bytes = self._bounds.max_upload_bytes if taken == "upload" else self._bounds.max_body_bytes
        if taken != "whole":
            request.upload = Incoming(None if length is None else int(length), limit_bytes)
        if length is not None and int(length) > limit_bytes:
            request.upload = None
            self._refusal = self._too_large(limit_bytes)
            return
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self._invite()
        if request.upload is not None:
            self._hand_over(request)

    def _taken(self, request: Request) -> Taken:
        endpoint = request.endpoint
        if endpoint is None or endpoint.uploads is None:
            return "whole"
        length = request.headers.get(b"content-length")
        empty = int(length) == 0 if length is not None else b"transfer-encoding" not in request.headers
        return "whole" if empty else endpoint.uploads(request)

    def _hand_over(self, request: Request) -> None:
        request.keep_alive = self._parser.should_keep_alive()
        request.chunked_reply = self._version == "1.1"
        self._deliver(request)

    def _ambiguity(self, method: str, headers: Mapping[bytes, bytes]) -> BadRequest | None:
        """What the parser takes, but another server might read in another way."""
        version = self._version = self._parser.get_http_version()
        if version not in _VERSIONS:
            return BadRequest(f"HTTP version {version[:8]} is not spoken here; send HTTP/1.1")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (version != "1.1" or coding.strip().lower() != b"chunked"):
            return BadRequest("the only Transfer-Encoding taken is 'chunked', and only in HTTP/1.1")
        if b"host" not in headers and version == "1.1":
            return BadRequest("the request has no Host header; HTTP/1.1 requires one")
        if method == "CONNECT":
            return BadRequest("the gateway opens no tunnels; there is nothing here to connect to")
        return None

    def _make_request(self, method: str) -> Request:
        path, _, query = self._url.decode("latin-1").partition("?")
        if path and not path.startswith("/"):
            path = "/" + path.partition("://")[2].partition("/")[2]
        if "%" in path:
            path = unquote(path)
        return Request(method, path, query, self._headers, loopback=self._loopback, peer=self._peer)

    def on_body(self, body: bytes) -> None:
        if self._refusal is not None:
            return
        upload = None if self._request is None else self._request.upload
        if upload is not None:
            self._take_upload(upload, body)
        elif not self._body:
            self._body = body
        else:
            # One growing buffer, because a body in millions of tiny chunks would cost fifty times its size in a list.
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) > self._bounds.max_body_bytes:
            self._body = b""
            self._refusal = self._too_large(self._bounds.max_body_bytes)

    def _take_upload(self, upload: Incoming, piece: bytes) -> None:
        if upload.received_bytes + len(piece) > upload.limit_bytes:
            self._refusal = self._too_large(upload.limit_bytes)
        elif upload.arrived(piece):
            self._pause()

    def _too_large(self, limit_bytes: int) -> BodyTooLarge:
        setting = "max_body_bytes" if limit_bytes == self._bounds.max_body_bytes else "max_upload_bytes"
        return BodyTooLarge(f"the request body is over {limit_bytes} bytes (server.{setting})")

    def _passed_over(self, headers: Mapping[bytes, bytes]) -> bytes:
        """A head with the framing of the body that the parser took for another protocol's; empty when there is none."""
        length = headers.get(b"content-length")
        if length is not None:
            framing = b"content-length: " + length
        elif b"transfer-encoding" in headers:
            framing = b"transfer-encoding: chunked"
        else:
            return b""
        stays = b"keep-alive" if self._parser.should_keep_alive() else b"close"
        return b"POST / HTTP/1.1\r\nconnection: %b\r\n%b\r\n\r\n" % (stays, framing)

    def _tunnels(self, request: Request) -> bool:
        endpoint = request.endpoint
        if endpoint is None or endpoint.tunnels is None or self._version != "1.1":
            return False
        return endpoint.tunnels(request)

    def _begin_tunnel(self, request: Request) -> None:
        """From here on the client speaks another protocol, or leaves."""
        request.upload = self._tunnel = Incoming(None, endless=True)
        request.keep_alive = True
        request.chunked_reply = True
        self._request = None
        self.receiving = False
        self._deliver(request)

    def on_message_complete(self) -> None:
        request = self._request
        if request is None or self._refusal is not None:
            return
        if self._parser.should_upgrade() and self._tunnels(request):
            self._begin_tunnel(request)
            return
        if self._parser.should_upgrade():
            self._framing = self._passed_over(request.headers)
            if self._framing:
                return
        request.body = bytes(self._body)
        self._over = not self._parser.should_keep_alive()
        self._body = b""
        self._url = b""
        self._request = None
        self.receiving = False
        if self._taken_bytes:
            self._leave_room()
        if request.upload is not None:
            request.upload.end()
        else:
            self._hand_over(request)
