"""Files and batches are kept by the control process: what clients ask of them goes there, with who they are.

Who asks was authenticated here; the control process believes it, because it comes by its Unix socket in headers that
no client's request brings there. A refusal comes back as status, message and parameter, and is raised, so that the
door words it in its own dialect and the record has it as what it is.
"""

from typing import Final

from msgspec import DecodeError, Struct, json

from switchgear.doors.passthrough_request import without_key
from switchgear.doors.passthrough_upload import unread
from switchgear.kernel.call import Call
from switchgear.kernel.errors import (
    BadRequest,
    BodyTooLarge,
    NotFound,
    Overloaded,
    RateLimited,
    SwitchgearError,
    UpstreamError,
)
from switchgear.kernel.reply import Frame, Headers, Reply
from switchgear.kernel.upstream import Origin, Target, Timers, Transport, UpstreamReply
from switchgear.routing.retry_after import retry_after_seconds

_TIMERS: Final = Timers(connect_seconds=2.0, first_byte_seconds=120.0, idle_seconds=300.0, total_seconds=3600.0)
_MAX_REFUSAL_BYTES: Final = 64 * 1024
_FIRST_OTHER_STATUS: Final = 300
_REFUSALS: Final[dict[int, type[SwitchgearError]]] = {
    400: BadRequest,
    404: NotFound,
    413: BodyTooLarge,
    429: RateLimited,
}
_CONTENT_TYPE: Final = b"content-type"


class Refusal(Struct):
    """What the control process says instead of an answer."""

    message: str
    param: str | None = None


class BatchDesk:
    """Asks the control process for a call."""

    def __init__(self, transport: Transport, socket_path: str) -> None:
        self._transport = transport
        self._origin = Origin(scheme="http", host="control", port=80, socket_path=socket_path)

    async def ask(self, call: Call, method: str, path: str) -> Reply:
        """The answer. Raises BadRequest, NotFound, BodyTooLarge, RateLimited, or Overloaded when nobody is there."""
        query = without_key(call.query, "")
        target = Target(
            origin=self._origin,
            method=method,
            path=f"{path}?{query}" if query else path,
            headers=_headers(call),
            dialect="",
        )
        upload = await unread(call)
        try:
            upstream = await self._transport.send(target, upload or call.body, _TIMERS)
        except UpstreamError as error:
            raise Overloaded(
                "the control process, which keeps files and batches, does not answer", retry_after_seconds=1
            ) from error
        if upstream.status >= _FIRST_OTHER_STATUS:
            raise await _refusal(upstream)
        kept: Headers = [header for header in upstream.headers if header[0] == _CONTENT_TYPE]
        if method == "HEAD":
            upstream.close()
            reply = Reply(upstream.status, kept)
        else:
            frames = _Content(upstream)
            reply = frames.reply = Reply(upstream.status, kept, frames=frames)
        reply.opaque = True
        return reply


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    caller = call.caller
    assert caller is not None, "the stages before this have found out who calls"
    said = [
        # Whoever calls, they ask for their own batches here, and for nothing that is the operator's.
        ("x-switchgear-gateway-peer", "remote"),
        ("x-switchgear-gateway-key", caller.key),
        ("x-switchgear-gateway-project", caller.project),
        ("x-switchgear-gateway-origin", _origin(call)),
    ]
    media = call.headers.get(_CONTENT_TYPE)
    return (*said, ("content-type", media.decode("latin-1"))) if media else tuple(said)


def _origin(call: Call) -> str:
    """Under which address the client finds this gateway, as far as it says so itself."""
    scheme = call.headers.get(b"x-forwarded-proto", b"http")
    host = call.headers.get(b"host", b"localhost").decode("latin-1")
    return f"{'https' if scheme == b'https' else 'http'}://{host}"


async def _refusal(upstream: UpstreamReply) -> SwitchgearError:
    try:
        said = json.decode(await upstream.read_all(_MAX_REFUSAL_BYTES), type=Refusal)
    except DecodeError:
        said = Refusal(f"the control process answers with the status {upstream.status}")
    finally:
        upstream.close()
    kind = _REFUSALS.get(upstream.status, Overloaded)
    return kind(said.message, param=said.param, retry_after_seconds=retry_after_seconds(upstream.headers))


class _Content:
    """An answer's bytes as they come."""

    __slots__ = ("_sent_bytes", "_upstream", "reply")

    def __init__(self, upstream: UpstreamReply) -> None:
        self._upstream = upstream
        self._sent_bytes = 0
        self.reply: Reply | None = None

    def __aiter__(self) -> "_Content":
        return self

    async def __anext__(self) -> Frame:
        try:
            data = await self._upstream.read()
        except SwitchgearError as error:
            self._end(error)
            raise
        if not data:
            self._end(None)
            raise StopAsyncIteration
        self._sent_bytes += len(data)
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._upstream.close()
        if self.reply is not None:
            self.reply.streamed_bytes = self._sent_bytes

    def _end(self, error: SwitchgearError | None) -> None:
        if self.reply is not None:
            self.reply.streamed_bytes = self._sent_bytes
            self.reply.settle(error)
