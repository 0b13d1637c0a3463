"""Telling over HTTP: one POST, and what its answer means."""

from typing import Final
from urllib.parse import urlsplit

from switchgear.kernel.errors import ConfigError, SwitchgearError
from switchgear.kernel.upstream import Origin, Target, Timers, Transport
from switchgear.routing.retry_after import retry_after_seconds
from switchgear.traces.alerts.notice import Outcome

_TIMERS: Final = Timers(connect_seconds=5.0, first_byte_seconds=15.0, idle_seconds=5.0, total_seconds=30.0)
_PORTS: Final = {"http": 80, "https": 443}
_MAX_ANSWER_BYTES: Final = 1 << 20
_PASSING: Final = frozenset((408, 425, 429))
"""Refusals that another try may meet no more."""

Headers = tuple[tuple[str, str], ...]


def read_address(url: str) -> Target:
    """A POST of JSON to ``url``. Raises ConfigError, which says nothing of the path: it may be a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("the address is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ConfigError("the address is none of http:// or https://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigError("the address has a user, a password or a fragment in it; take that out")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (path.isascii() and path.isprintable() and " " not in path):
        raise ConfigError("the address has characters in it that must be percent-encoded")
    return Target(
        origin=Origin(scheme=parts.scheme, host=parts.hostname, port=port or _PORTS[parts.scheme]),
        method="POST",
        path=path,
        headers=(("content-type", "application/json"), ("user-agent", "switchgear-alerts")),
        dialect="",
    )


async def post(transport: Transport, target: Target, body: bytes, headers: Headers = ()) -> Outcome:
    """Send; what the receiver answers beside its status is not kept, for it may repeat a secret."""
    try:
        reply = await transport.send(target, body, _TIMERS, headers)
    except ConfigError as error:
        return Outcome(sent=False, error=error.message, again=False)
    except SwitchgearError as error:
        return Outcome(sent=False, error=error.message)
    try:
        await reply.read_all(_MAX_ANSWER_BYTES)
    except SwitchgearError:
        # Its status is what counts; no more of it is wanted.
        reply.close()
    status = reply.status
    if status // 100 == 2:
        return Outcome(sent=True, status=status)
    again = status // 100 == 5 or status in _PASSING
    moved = " (redirects are not followed; give the address that it leads to)" if status // 100 == 3 else ""
    return Outcome(
        sent=False,
        status=status,
        error=f"{target.origin.authority} answered {status}{moved}",
        again=again,
        after_seconds=retry_after_seconds(reply.headers) if again else None,
    )
