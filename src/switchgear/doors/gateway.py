"""The door-keeper: one request in, one reply out, whatever happens, in the dialect of the door it came through."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from msgspec import DecodeError
from msgspec.json import Decoder

from switchgear.doors.anthropic import DOOR as ANTHROPIC
from switchgear.doors.bedrock import DOOR as BEDROCK
from switchgear.doors.compatibility import Understood, other_gateways_headers, take_fields
from switchgear.doors.early import unanswered
from switchgear.doors.endpoint import Directory, Endpoint, Request
from switchgear.doors.errors import error_headers, nameless, problem_reply, unreadable
from switchgear.doors.openai import DOOR as OPENAI
from switchgear.kernel.call import Call, Head, Snapshot
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, Internal, SwitchgearError
from switchgear.kernel.ids import Ids
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Headers, Reply
from switchgear.kernel.trace_context import read_context

Forward = Callable[[Request], Awaitable[Reply]]


class RequireKey(Protocol):
    """Raises an error for a request that has no key, or none that is known."""

    def __call__(
        self, snapshot: Snapshot, headers: Mapping[bytes, bytes], query: str, now_ns: int, *, loopback: bool
    ) -> None: ...


_MUCH_BYTES: Final = 16 * 1024
"""Of smaller bodies all is taken before anything is refused: the connection can then go on."""
_NO_HEAD: Final = Head(model="")
_JSON: Final = (b"content-type", b"application/json")
_STREAM_HEADERS: Final = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_FIRST_ERROR_STATUS: Final = 400
_NANOSECONDS: Final = 1_000_000_000


class Snapshots:
    """Holds the current snapshot; a reload swaps one pointer."""

    __slots__ = ("current",)

    def __init__(self, first: Snapshot) -> None:
        self.current = first


class Gateway:
    """Answers requests for the doors' endpoints, and forwards all others to the control process."""

    def __init__(
        self,
        directory: Directory,
        snapshots: Snapshots,
        clock: Clock,
        ids: Ids,
        *,
        forward: Forward,
        fallback: Endpoint,
    ) -> None:
        self._directory = directory
        self._plain = directory.plain
        self._fallback = fallback
        self._snapshots = snapshots
        self._clock = clock
        self._ids = ids
        self._forward = forward
        self.on_close: Callable[[], Awaitable[None]] | None = None
        """Ends what goes on beside the calls."""
        self.require_key: RequireKey | None = None
        """Refuses strangers by the head of a request; None: all are refused once their request is whole."""
        self.when_limited: Mapping[Next, Next] = {}
        """What stands in place of a pipeline under a snapshot that has limits."""
        self._read_head = Decoder(Head).decode
        self._log = logging.getLogger("switchgear.gateway")

    async def aclose(self) -> None:
        """Give up what is still under way beside the calls."""
        if self.on_close is not None:
            await self.on_close()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All that the doors offer."""
        return self._directory.endpoints

    def find(self, request: Request) -> Endpoint | None:
        """Note the endpoint in ``request``; None means it will be forwarded.

        Raises MethodNotAllowed, and what ``require_key`` raises where the body is large enough to be worth not taking.
        """
        endpoint = request.endpoint = self._plain.get((request.method, request.path))
        if endpoint is None:
            endpoint = self._directory.find(request)
        if endpoint is not None and self.require_key is not None and _brings_much(request.headers):
            loopback, now_ns = request.loopback, self._clock.wall_ns()
            self.require_key(self._snapshots.current, request.headers, request.query, now_ns, loopback=loopback)
        return endpoint

    async def answer(self, request: Request) -> Reply:
        """The reply to a whole request; never raises, but for cancellation."""
        endpoint = request.endpoint
        if endpoint is None:
            return await self._answer_foreign(request)
        if endpoint.door == OPENAI and self._snapshots.current.part(Understood).litellm_body:
            take_fields(request)
        call = self._make_call(endpoint, request)
        if call.stream:
            request.awaited = call
        try:
            if request.refusal is not None:
                reply = await endpoint.bad_request(call)
            elif call.defect is not None:
                reply = await endpoint.bad_body(call)
            else:
                pipeline = endpoint.pipeline
                if call.snapshot.is_limited:
                    pipeline = self.when_limited.get(pipeline, pipeline)
                reply = await pipeline(call)
        except SwitchgearError as error:
            reply = self._error_reply(endpoint, call.id, error)
        except Exception:  # noqa: BLE001 (the gateway's edge: a defect costs one call, not the process)
            self._log.exception("call %s failed on a defect of the gateway", call.id)
            error = Internal(f"the gateway failed on a defect of its own; its log has the details under req_{call.id}")
            reply = self._error_reply(endpoint, call.id, error)
        self._dress(reply, call)
        return reply

    def early_reply(self, call: Call, after_seconds: float) -> Reply | None:
        """The head of a stream that has been waited for so long; None while it has not, or when its outcome is known.

        It says what holds whatever becomes of the call, which goes on; its frames say that the gateway gave it up.
        """
        waited_ns = self._clock.monotonic_ns() - call.started_monotonic_ns
        if call.recorded or waited_ns < after_seconds * _NANOSECONDS:
            return None
        call.early_head_ns = waited_ns
        reply = unanswered()
        self._dress(reply, call, early=True)
        return reply

    def adopt(self, request: Request) -> None:
        """Give a request that must be refused, and is no door's, the endpoint that words and records the refusal."""
        request.endpoint = request.endpoint or self._fallback

    def _make_call(self, endpoint: Endpoint, request: Request) -> Call:
        head = _NO_HEAD
        defect = request.refusal
        if not endpoint.names_model:
            pass
        elif defect is None and endpoint.method == "POST":
            try:
                head = self._read_head(request.body) if endpoint.read_head is None else endpoint.read_head(request)
                if not request.body.isascii():
                    request.body.decode()
                if not head.model:
                    defect = nameless()
                elif not endpoint.streams:
                    head.stream = None
            except BadRequest as error:
                defect = error
            except (DecodeError, UnicodeDecodeError, RecursionError) as error:
                defect = unreadable(request.body, error)
        elif request.captured:
            head = Head(model=request.captured)
        call = Call(
            id=self._ids.new(),
            door=endpoint.door,
            operation=endpoint.operation,
            dialect=endpoint.dialect,
            body=request.body,
            head=head,
            headers=request.headers,
            snapshot=self._snapshots.current,
            started_wall_ns=self._clock.wall_ns(),
            started_monotonic_ns=self._clock.monotonic_ns(),
            loopback=request.loopback,
            peer=request.peer,
            captured=request.captured,
            query=request.query,
            upload=request.upload,
            tunnels=request.upload is not None and request.upload.endless,
        )
        call.defect = defect
        parent = request.headers.get(b"traceparent")
        if parent is not None:
            call.trace = read_context(parent, request.headers.get(b"tracestate", b""))
        return call

    def _error_reply(self, endpoint: Endpoint, call_id: str, error: SwitchgearError) -> Reply:
        request_id = f"req_{call_id}"
        headers: Headers = [_JSON, *error_headers(error)]
        if endpoint.error_headers is not None:
            headers += endpoint.error_headers(error)
        reply = Reply(error.status, headers, endpoint.dialect.write_error(error, request_id))
        reply.error = error
        return reply

    def _dress(self, reply: Reply, call: Call, *, early: bool = False) -> None:
        request_id = f"req_{call.id}".encode()
        headers = reply.headers
        if reply.opaque:
            pass
        elif reply.frames is not None:
            headers.append((b"content-type", call.dialect.stream_type))
            headers += _STREAM_HEADERS
        elif reply.status < _FIRST_ERROR_STATUS:
            headers.append(_JSON)
        headers.append((b"x-request-id", request_id))
        if call.door == ANTHROPIC:
            headers.append((b"request-id", request_id))
        elif call.door == BEDROCK:
            headers.append((b"x-amzn-requestid", request_id))
        headers.append((b"x-switchgear-config", call.snapshot.version.encode()))
        headers += call.notices
        if call.attempts and not early:
            attempt = call.attempts[-1]
            headers.append((b"x-switchgear-deployment", attempt.deployment.encode()))
            if attempt.dropped:
                headers.append((b"x-switchgear-dropped", ", ".join(attempt.dropped).encode()))
            if len(call.attempts) > 1:
                headers.append((b"x-switchgear-attempts", b"%d" % len(call.attempts)))
        if call.labels().gateways or call.snapshot.part(Understood).litellm_headers:
            headers += other_gateways_headers(call, self._clock.monotonic_ns(), early=early)

    async def _answer_foreign(self, request: Request) -> Reply:
        try:
            return await self._forward(request)
        except SwitchgearError as error:
            return problem_reply(error)
        except Exception:  # noqa: BLE001 (the same edge)
            self._log.exception("forwarding %s %s failed on a defect of the gateway", request.method, request.path)
            return problem_reply(Internal("the gateway failed on a defect of its own; its log has the details"))


def _brings_much(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body comes that is large, or does not say how large it is."""
    length = headers.get(b"content-length")
    return b"transfer-encoding" in headers if length is None else int(length) > _MUCH_BYTES
