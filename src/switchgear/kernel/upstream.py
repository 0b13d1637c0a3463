"""The seam between routing and the outside: what to send where, and what comes back.

A provider says where, how to authenticate and which dialect; a transport moves bytes. The simulator is a transport
without a socket.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, Protocol, runtime_checkable

from msgspec import Struct

from switchgear.kernel.reply import Headers
from switchgear.kernel.upload import Upload

PASSTHROUGH: Final = "passthrough"
"""The operation whose target is the root of a vendor's API: its path ends in a slash, and any other is put behind it.
It says no content type, for that is the body's."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where connections go: ``https://host:port``, or a Unix socket path with ``host`` for the Host header."""

    scheme: str
    host: str
    port: int
    socket_path: str | None = None

    @property
    def authority(self) -> str:
        """``host`` or ``host:port``, as the Host header wants it."""
        default = 443 if self.scheme == "https" else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default else f"{host}:{self.port}"


class Timers(Struct, frozen=True, kw_only=True):
    """Limits of one attempt, in seconds."""

    connect_seconds: float = 5.0
    first_byte_seconds: float = 120.0
    """From the request's last byte to the first byte of the answer's body."""
    first_token_seconds: float | None = None
    """Of a stream, from sending the request to the first piece of content; None: as ``first_byte_seconds``."""
    idle_seconds: float = 60.0
    """Between two arrivals of body bytes."""
    total_seconds: float = 600.0


Signer = Callable[[str, bytes], tuple[tuple[str, str], ...]]
"""Headers that prove who sends this body to this path, for vendors that want each request signed."""


class Target(Struct, frozen=True, kw_only=True):
    """A request line and headers, made once for each deployment and operation and used for every call."""

    origin: Origin
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    """Without Host, Content-Length and Transfer-Encoding: those are the transport's."""
    dialect: str
    """The dialect the upstream speaks on this path."""
    stream_path: str = ""
    """Where streams are asked for, when that is another path."""
    sign: Signer | None = None


class UpstreamReply(Protocol):
    """An upstream's answer: await gave the status, reading gives the body."""

    status: int
    headers: Headers
    """Names in lower case."""

    async def read(self) -> bytes:
        """All body bytes that are ready, waiting for the first; ``b""`` at the end.

        Raises UpstreamTimeout, UpstreamTruncated or UpstreamGarbled.
        """
        ...

    async def read_all(self, limit_bytes: int) -> bytes:
        """The whole body; UpstreamGarbled when it is larger than ``limit_bytes``."""
        ...

    def close(self) -> None:
        """Let go at once: a connection with an unread body is closed, not reused, and a read that waits ends with
        UpstreamTruncated. Harmless when called again."""
        ...


@runtime_checkable
class Pushing(Protocol):
    """An upstream's answer whose bytes can be had in the moment in which they arrive."""

    async def push(self, sink: Callable[[bytes], bool]) -> None:
        """Hand body bytes to ``sink`` as they come, until it wants no more; ``b""`` is the end, and the last.

        Raises what reading raises.
        """
        ...


def pusher(reply: UpstreamReply) -> Callable[[Callable[[bytes], bool]], Awaitable[None]] | None:
    """How ``reply`` pushes its bytes, if it is :class:`Pushing`: to ask the protocol costs a stream microseconds."""
    push: Callable[[Callable[[bytes], bool]], Awaitable[None]] | None = getattr(reply, "push", None)
    return push


class Transport(Protocol):
    """Moves one request to an upstream and brings the answer back."""

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        """Raises UpstreamUnreachable, UpstreamTimeout, UpstreamTruncated, UpstreamGarbled or Overloaded.

        An upload goes up as fast as the upstream takes it; what it raises is raised. The answer ends it: an upstream
        that answers early has read enough. Only the total timer counts while the upload's next piece is awaited.
        """
        ...

    async def aclose(self) -> None:
        """Close every idle connection and refuse new requests."""
        ...


class Tunnel(Protocol):
    """A connection on which another protocol is spoken, if ``status`` is 101."""

    status: int
    headers: Headers
    """Names in lower case."""

    async def read(self) -> bytes:
        """What has come, waiting for some; ``b""`` at the end. Raises UpstreamTruncated."""
        ...

    async def refusal(self) -> bytes:
        """The body of an answer that is none of 101."""
        ...

    async def write(self, data: bytes) -> None:
        """Send, and wait while the upstream is slow. Raises UpstreamTruncated."""
        ...

    def finish(self, last: bytes) -> None:
        """Send these last bytes if the upstream takes them, and let go: :meth:`read` raises UpstreamTruncated."""
        ...

    def close(self) -> None:
        """Let go at once; harmless when called again."""
        ...


@runtime_checkable
class Tunnels(Protocol):
    """A transport that can ask for a WebSocket."""

    async def tunnel(self, target: Target, timers: Timers, extra_headers: tuple[tuple[str, str], ...]) -> Tunnel:
        """Raises UpstreamUnreachable, UpstreamTimeout, UpstreamTruncated or UpstreamGarbled."""
        ...


class ProviderSettings(Struct, frozen=True, kw_only=True):
    """What the configuration says of one provider."""

    name: str
    base_url: str | None = None
    api_key: str | None = None
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    """What only this kind of provider knows: a region, an API version, a pair of keys."""


OutputLimitField = Literal["max_tokens", "max_completion_tokens"]


class Quirks(Struct, frozen=True, kw_only=True):
    """How a vendor departs from its dialect, as far as routing and the dialects must know."""

    output_limit_field: OutputLimitField = "max_completion_tokens"
    """Under which name an OpenAI-like upstream expects the limit on output tokens."""
    done_optional: bool = False
    """A stream that ends after its finish reason, without ``[DONE]``, is complete."""
    keeps_responses: bool = False
    """The upstream remembers the responses it gave, so that ``previous_response_id`` can be left to it."""

    begins_answers: bool = False
    """A last message of the assistant is the beginning of the answer, which the model goes on with (prefill)."""


class Provider(Protocol):
    """Where a vendor is and how to speak to it."""

    name: str
    quirks: Quirks
    forwards: bool
    """Whether any of a client's headers go on; if not, :meth:`forwarded_headers` is never asked."""

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """How to perform ``operation`` on ``model`` (the vendor's name) for a client that speaks ``dialect``.

        The target's own dialect may differ: the call is then translated. None: the vendor cannot do it.
        """
        ...

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        """Those of the client's headers that go on to the vendor (``anthropic-beta`` and the like)."""
        ...
