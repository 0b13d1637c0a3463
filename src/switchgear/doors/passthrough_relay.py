"""Performs a call that is passed through: one attempt, its answer relayed as it comes, its usage read on the way."""

from typing import Final

from msgspec import Struct

from switchgear.doors.passthrough_request import headers_down, headers_up
from switchgear.doors.response import NO_BODY
from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Frame, Reply
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Target, Timers, UpstreamReply
from switchgear.routing.credentials import classified
from switchgear.routing.passthrough import Way
from switchgear.routing.retry_after import retry_after_seconds
from switchgear.wire.usage_scan import UsageScan

_FIRST_ERROR_STATUS: Final = 400
_MAX_ERROR_BYTES: Final = 4 * 1024 * 1024
_READABLE: Final = (b"application/json", b"text/event-stream")


class Errand(Struct, frozen=True, kw_only=True):
    """Where one call is passed on to."""

    way: Way
    target: Target
    timers: Timers
    metered: bool
    """Whether a usage in the answer is the call's own."""
    deployment: str = ""
    """Empty where the call names no model: then the provider's name stands for it."""
    model: str = ""
    upload: Upload | None = None
    """In place of the call's body."""


class Account:
    """The entry of the one attempt, completed once."""

    __slots__ = ("_clock", "_started_ns", "entry", "scan")

    def __init__(self, call: Call, errand: Errand, clock: Clock) -> None:
        self._clock = clock
        self._started_ns = clock.monotonic_ns()
        self.scan: UsageScan | None = None
        self.entry = Attempt(
            deployment=errand.deployment or errand.way.name,
            provider=errand.way.name,
            model=errand.model,
            started_ns=clock.wall_ns(),
        )
        call.attempts.append(self.entry)

    def opened(self, upstream: UpstreamReply, *, metered: bool) -> None:
        """Status and headers came."""
        said = dict(upstream.headers)
        self.entry.status = upstream.status
        self.entry.upstream_id = said.get(b"x-request-id", b"").decode("latin-1")
        if metered and said.get(b"content-type", b"").lower().startswith(_READABLE):
            self.scan = UsageScan()

    def came(self, data: bytes) -> None:
        """Bytes of the answer came."""
        if not self.entry.first_byte_ns:
            self.entry.first_byte_ns = self._clock.monotonic_ns() - self._started_ns
        if self.scan is not None:
            self.scan.feed(data)

    def ended(self, error: SwitchgearError | None, *, cancelled: bool = False) -> None:
        """Nothing more comes."""
        entry = self.entry
        entry.duration_ns = self._clock.monotonic_ns() - self._started_ns
        entry.usage = None if self.scan is None else self.scan.usage
        if error is not None:
            entry.outcome = "cancelled" if error.fault == "caller" else "failed"
            entry.error = f"{error.code}: {error.message}"
        elif cancelled:
            entry.outcome = "cancelled"


async def run(call: Call, errand: Errand, clock: Clock) -> Reply:
    """Send the call where the errand says, and relay what comes back, errors too.

    Raises what the transport raises, and UpstreamUnauthorized for a refusal of the gateway's own key.
    """
    account = Account(call, errand, clock)
    connected = errand.way.connected
    extra = headers_up(errand.way, call.headers)
    try:
        upstream = await connected.transport.send(errand.target, errand.upload or call.body, errand.timers, extra)
        account.opened(upstream, metered=errand.metered)
        if upstream.status >= _FIRST_ERROR_STATUS:
            return await _refused(call, upstream, account)
    except SwitchgearError as error:
        account.ended(error)
        raise
    except BaseException:
        account.ended(None, cancelled=True)
        raise
    if upstream.status in NO_BODY:
        upstream.close()
        account.ended(None)
        return _opaque(Reply(upstream.status, headers_down(upstream.headers)))
    return _relayed(upstream, account, None)


async def _refused(call: Call, upstream: UpstreamReply, account: Account) -> Reply:
    """The upstream's own error, word for word; the record has it as what it is."""
    try:
        body = await upstream.read_all(_MAX_ERROR_BYTES)
    finally:
        upstream.close()
    error = call.dialect.read_error(upstream.status, body, retry_after_seconds(upstream.headers))
    meant = classified(error, account.entry.deployment)
    if meant is not error:
        raise meant
    return _relayed(_Read(upstream, body), account, error)


def _relayed(upstream: UpstreamReply, account: Account, failure: SwitchgearError | None) -> Reply:
    frames = Relayed(upstream, account, failure)
    reply = _opaque(Reply(upstream.status, headers_down(upstream.headers), frames=frames))
    frames.reply = reply
    return reply


def _opaque(reply: Reply) -> Reply:
    reply.opaque = True
    return reply


class Relayed:
    """The bytes of an answer as they come; ``failure`` is what an error answer amounts to."""

    __slots__ = ("_account", "_ended", "_failure", "_upstream", "reply")

    def __init__(self, upstream: UpstreamReply, account: Account, failure: SwitchgearError | None) -> None:
        self._upstream = upstream
        self._account = account
        self._failure = failure
        self._ended = False
        self.reply: Reply | None = None

    def __aiter__(self) -> "Relayed":
        return self

    async def __anext__(self) -> Frame:
        try:
            data = await self._upstream.read()
        except SwitchgearError as error:
            self._end(error)
            raise
        if not data:
            self._end(self._failure)
            raise StopAsyncIteration
        self._account.came(data)
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._upstream.close()
        if not self._ended:
            self._ended = True
            self._account.ended(None, cancelled=True)

    def _end(self, error: SwitchgearError | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._account.ended(error)
        if self.reply is not None:
            self.reply.settle(error)


class _Read:
    """An answer of which the body was read already."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, upstream: UpstreamReply, body: bytes) -> None:
        self.status = upstream.status
        self.headers = upstream.headers
        self._body = body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read_all(self, limit_bytes: int) -> bytes:
        return (await self.read())[:limit_bytes]

    def close(self) -> None:
        self._body = b""
