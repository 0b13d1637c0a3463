"""One line of a batch as a call: sent to a gateway by its private socket, and what the answer means for the line."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct, json

from switchgear.auth.line_credential import HEADER, LineOfBatch, sign
from switchgear.batches.model import NANOSECONDS
from switchgear.kernel.clock import Clock
from switchgear.kernel.reply import Headers
from switchgear.kernel.upstream import Origin, Target, Timers, Transport
from switchgear.routing.retry_after import retry_after_seconds

_TIMERS: Final = Timers(connect_seconds=10.0, first_byte_seconds=3600.0, idle_seconds=300.0, total_seconds=3600.0)
_CREDENTIAL_SECONDS: Final = 120
"""The gateway looks at it when the call comes; time for that, and no more."""
_MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
_LONGEST_SECONDS: Final = 3600.0


class Sent(Struct, frozen=True, kw_only=True):
    """A line as it goes out."""

    key: str
    batch: str
    number: int
    custom_id: str
    path: str
    body: bytes


class Answer(Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    request_id: str
    body: bytes
    retry_after_seconds: float | None = None


Send = Callable[[Sent], Awaitable[Answer]]
"""Raises SwitchgearError when no gateway answered."""


class ToGateway:
    """Sends lines to the gateways behind a Unix socket."""

    def __init__(self, transport: Transport, socket_path: str, secret: bytes, clock: Clock) -> None:
        self._transport = transport
        self._origin = Origin(scheme="http", host="lines", port=80, socket_path=socket_path)
        self._secret = secret
        self._clock = clock
        self._targets: dict[str, Target] = {}

    async def __call__(self, line: Sent) -> Answer:
        """Raises SwitchgearError when no gateway answered."""
        upstream = await self._transport.send(self._target(line.path), line.body, _TIMERS, self._headers(line))
        try:
            body = await upstream.read_all(_MAX_ANSWER_BYTES)
        finally:
            upstream.close()
        return Answer(
            status=upstream.status,
            request_id=dict(upstream.headers).get(b"x-request-id", b"").decode("latin-1"),
            body=body,
            retry_after_seconds=_patience_seconds(upstream.headers),
        )

    def _target(self, path: str) -> Target:
        target = self._targets.get(path)
        if target is None:
            headers = (("content-type", "application/json"),)
            target = Target(origin=self._origin, method="POST", path=path, headers=headers, dialect="")
            self._targets[path] = target
        return target

    def _headers(self, line: Sent) -> tuple[tuple[str, str], ...]:
        who = LineOfBatch(key=line.key, batch=line.batch, number=line.number)
        expires_ns = self._clock.wall_ns() + _CREDENTIAL_SECONDS * NANOSECONDS
        notes = json.encode({"batch": line.batch, "line": line.number, "custom_id": line.custom_id})
        return (
            (HEADER, sign(self._secret, who, expires_ns)),
            # UTF-8, as the gateway reads it; a header's text is Latin-1.
            ("x-switchgear-metadata", notes.decode("latin-1")),
        )


def _patience_seconds(headers: Headers) -> float | None:
    """When to come back, as the gateway says it; never later than in an hour."""
    said = retry_after_seconds(headers)
    return None if said is None else min(said, _LONGEST_SECONDS)
