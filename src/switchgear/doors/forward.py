"""Everything that is not a door's goes to the control process, over its Unix socket."""

from typing import Final, Protocol
from urllib.parse import quote

from switchgear.auth.address import PEER, Ranges, client_address, names_this_machine
from switchgear.doors.endpoint import Request
from switchgear.kernel.errors import Forbidden, NotFound, Overloaded, UpstreamError
from switchgear.kernel.reply import Frame, Headers, Reply
from switchgear.kernel.upstream import Origin, Target, Timers, Transport, UpstreamReply

_HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"host",
        b"content-length",
        b"expect",
    )
)
_OWN_PREFIX: Final = b"x-switchgear-"
_TIMERS: Final = Timers(connect_seconds=2.0, first_byte_seconds=30.0, idle_seconds=300.0, total_seconds=3600.0)


_HEALTH_TIMERS: Final = Timers(connect_seconds=0.5, first_byte_seconds=0.5, idle_seconds=0.5, total_seconds=1.0)
"""Who asks for health wants an answer now; a control process that gives none is itself part of the answer."""


class State(Protocol):
    """What a gateway says of itself: to the control process with each request, and in its place when it is down."""

    @property
    def trusted_proxies(self) -> Ranges: ...

    def headers(self) -> tuple[tuple[str, str], ...]: ...

    def healthz(self) -> Reply: ...

    def readyz(self) -> Reply: ...

    def readyz_of_control(self) -> Reply: ...


class ForwardToControl:
    """Hands foreign requests to the control process and its answers back, byte for byte."""

    def __init__(self, transport: Transport, socket_path: str, state: State) -> None:
        self._transport = transport
        self._origin = Origin(scheme="http", host="control", port=80, socket_path=socket_path)
        self._state = state
        self._stand_ins = {
            "/healthz": state.healthz,
            "/readyz": state.readyz,
            "/readyz/control": state.readyz_of_control,
        }

    async def __call__(self, request: Request) -> Reply:
        """Raises Overloaded when the control process is not there; calls through the doors go on without it."""
        target = Target(
            origin=self._origin,
            method=request.method,
            path=f"{_as_sent(request.path)}?{request.query}" if request.query else _as_sent(request.path),
            headers=_headers(request),
            dialect="",
        )
        stand_in = self._stand_ins.get(request.path)
        timers = _TIMERS if stand_in is None else _HEALTH_TIMERS
        try:
            upstream = await self._transport.send(
                target,
                request.body,
                timers,
                (*self._state.headers(), _peer(request), _own_address(request), self._client(request)),
            )
        except UpstreamError as error:
            if stand_in is not None:
                return stand_in()
            raise Overloaded(
                "the control process does not answer; model calls go on, management waits for it", retry_after_seconds=1
            ) from error
        headers = [header for header in upstream.headers if header[0] not in _HOP_BY_HOP]
        return Reply(upstream.status, headers, frames=_Bytes(upstream))

    def _client(self, request: Request) -> tuple[str, str]:
        """Where the caller is, for the record of what they change."""
        return (
            "x-switchgear-gateway-client",
            client_address(request.peer, request.headers, self._state.trusted_proxies),
        )


class _Bytes:
    """A foreign body: bytes as they come, no events in them."""

    __slots__ = ("_upstream",)

    def __init__(self, upstream: UpstreamReply) -> None:
        self._upstream = upstream

    def __aiter__(self) -> "_Bytes":
        return self

    async def __anext__(self) -> Frame:
        data = await self._upstream.read()
        if not data:
            raise StopAsyncIteration
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._upstream.close()


class AloneAnswers(Protocol):
    """What a gateway without a control process says of itself."""

    def healthz(self) -> Reply: ...

    def readyz(self) -> Reply: ...

    def metrics(self) -> Reply: ...


class ForwardToNobody:
    """A gateway that runs alone answers for its own health, and its own machine's callers for its metrics, and knows no
    other path.
    """

    def __init__(self, answers: AloneAnswers) -> None:
        self._answers = {"/healthz": answers.healthz, "/readyz": answers.readyz, "/metrics": answers.metrics}

    async def __call__(self, request: Request) -> Reply:
        """Raises NotFound, and Forbidden for metrics that others ask for."""
        answer = self._answers.get(request.path)
        if answer is None:
            raise NotFound(f"there is no {request.path[:200]!r} here; this gateway runs without a control process")
        if request.path == "/metrics" and not _is_local(request):
            raise Forbidden("this path is open to callers on the gateway's own machine only")
        return answer()


def _peer(request: Request) -> tuple[str, str]:
    return (PEER, "local" if _is_local(request) else "remote")


def _is_local(request: Request) -> bool:
    """Whether the caller is on this machine; behind a proxy everybody would seem to be, so those count as remote.

    So do pages of foreign sites that a browser on this machine shows.
    """
    proxied = b"x-forwarded-for" in request.headers or b"forwarded" in request.headers
    host = request.headers.get(b"host", b"localhost").decode("latin-1")
    origin = request.headers.get(b"origin")
    own = names_this_machine(host, None if origin is None else origin.decode("latin-1"))
    return request.loopback and own and not proxied


def _own_address(request: Request) -> tuple[str, str]:
    """Under which address the client finds this gateway, as far as it says so: for links that it is to follow."""
    scheme = "https" if request.headers.get(b"x-forwarded-proto") == b"https" else "http"
    host = request.headers.get(b"host", b"localhost").decode("latin-1")
    return ("x-switchgear-gateway-origin", f"{scheme}://{host}")


def _headers(request: Request) -> tuple[tuple[str, str], ...]:
    kept: Headers = [
        (name, value)
        for name, value in request.headers.items()
        if name not in _HOP_BY_HOP and not name.startswith(_OWN_PREFIX)
    ]
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in kept)


def _as_sent(path: str) -> str:
    """The path with everything percent-encoded that may not stand in a request line."""
    return quote(path, safe="/!$&'()*+,;=:@")
