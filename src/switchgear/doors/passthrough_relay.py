"""Performs a call that is passed through: its answer is relayed as it comes, and its usage read on the way."""

from typing import Final

from switchgear.doors.passthrough_account import Account, Errand
from switchgear.doors.passthrough_reply import headers_down
from switchgear.doors.passthrough_request import headers_up
from switchgear.doors.passthrough_tries import Tries
from switchgear.doors.response import NO_BODY
from switchgear.kernel.call import Call
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.reply import Frame, Headers, Reply
from switchgear.kernel.upstream import Timers, UpstreamReply
from switchgear.routing.course import Means
from switchgear.routing.credentials import classified
from switchgear.routing.retry_after import retry_after_seconds

_FIRST_ERROR_STATUS: Final = 400
_MAX_ERROR_BYTES: Final = 4 * 1024 * 1024
_LENGTH: Final = b"content-length"
_MOST_FINDINGS_BYTES: Final = 1000


async def run(call: Call, errand: Errand, means: Means) -> Reply:
    """Send the call where the errand says, and relay what comes back, errors too.

    Raises what the transport raises, and UpstreamUnauthorized for a refusal of the gateway's own key.
    """
    tries = Tries(call, errand, means)
    while True:
        account, timers = await tries.begin()
        try:
            upstream, refusal = await _ask(call, errand, account, timers)
        except SwitchgearError as error:
            if not tries.again(error, account):
                raise tries.last_word(error) from None
        else:
            if refusal is None or not tries.again(refusal, account):
                return _reply(call, errand, upstream, account, refusal)
            account.ended(refusal)
        await tries.pause()


async def _ask(
    call: Call, errand: Errand, account: Account, timers: Timers
) -> tuple[UpstreamReply, SwitchgearError | None]:
    """One try: the answer, and what it amounts to where it is an error."""
    extra = headers_up(errand.way, call, account.entry)
    transport = errand.way.connected.transport
    try:
        upstream = await transport.send(errand.target, errand.upload or call.body, timers, extra)
        account.opened(upstream)
        if upstream.status >= _FIRST_ERROR_STATUS:
            return await _refused(call, upstream, account)
    except SwitchgearError as error:
        account.ended(error)
        raise
    except BaseException:
        account.ended(None, cancelled=True)
        raise
    account.worked()
    return upstream, None


async def _refused(call: Call, upstream: UpstreamReply, account: Account) -> tuple[UpstreamReply, SwitchgearError]:
    """The upstream's own error, word for word; the record has it as what it is."""
    try:
        body = await upstream.read_all(_MAX_ERROR_BYTES)
    finally:
        upstream.close()
    error = call.dialect.read_error(upstream.status, body, retry_after_seconds(upstream.headers))
    meant = classified(error, account.entry.deployment)
    if meant is not error:
        raise meant
    return _Read(upstream, body), error


def _reply(
    call: Call, errand: Errand, upstream: UpstreamReply, account: Account, refusal: SwitchgearError | None
) -> Reply:
    headers = headers_down(errand.way, errand.target, errand.place, upstream.headers)
    if refusal is not None and len(call.attempts) > 1:
        headers.append((b"x-should-retry", b"false"))
    headers += _findings(call)
    is_head = errand.target.method == "HEAD"
    if is_head or upstream.status in NO_BODY:
        headers += [header for header in upstream.headers if header[0] == _LENGTH and is_head]
        upstream.close()
        account.ended(refusal)
        reply = Reply(upstream.status, headers)
        if refusal is not None:
            reply.settle(refusal)
    else:
        frames = Relayed(upstream, account, refusal)
        reply = frames.reply = Reply(upstream.status, headers, frames=frames)
    reply.opaque = True
    return reply


def _findings(call: Call) -> Headers:
    if not call.findings:
        return []
    return [(b"x-switchgear-findings", "; ".join(call.findings).encode()[:_MOST_FINDINGS_BYTES])]


class Relayed:
    """The bytes of an answer as they come; ``failure`` is what an error answer amounts to."""

    __slots__ = ("_account", "_ended", "_failure", "_sent_bytes", "_upstream", "reply")

    def __init__(self, upstream: UpstreamReply, account: Account, failure: SwitchgearError | None) -> None:
        self._upstream = upstream
        self._account = account
        self._failure = failure
        self._ended = False
        self._sent_bytes = 0
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
        self._sent_bytes += len(data)
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._upstream.close()
        self._end(None, cancelled=True)

    def _end(self, error: SwitchgearError | None, *, cancelled: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        self._account.ended(error, cancelled=cancelled)
        if self.reply is not None:
            self.reply.streamed_bytes = self._sent_bytes
            self.reply.settle(error, cancelled=cancelled)


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
