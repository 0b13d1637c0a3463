"""A webhook of your own: the notice as JSON, signed, so that the receiver knows who says it and that it is new.

Headers: ``x-switchgear-timestamp`` (seconds of Unix time), ``x-switchgear-delivery`` (the notice's id, the same in
each try) and ``x-switchgear-signature``: ``v1=`` and the HMAC-SHA256 of timestamp, a full stop and the body, in
hexadecimal.
"""

import hashlib
import hmac
from typing import Final

from msgspec import json

from switchgear.kernel.clock import Clock
from switchgear.kernel.upstream import Transport
from switchgear.traces.alerts.deliver.posting import post, read_address
from switchgear.traces.alerts.notice import Notice, Outcome
from switchgear.traces.alerts.rule import NANOSECONDS

SIGNATURE: Final = "x-switchgear-signature"
TIMESTAMP: Final = "x-switchgear-timestamp"
DELIVERY: Final = "x-switchgear-delivery"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What :data:`SIGNATURE` holds."""
    signed = timestamp.encode() + b"." + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def is_genuine(secret: str, said: str, timestamp: str, body: bytes) -> bool:
    """Whether a signature is right, in a time that tells nothing of it; how old it may be, the receiver decides."""
    return hmac.compare_digest(said.encode(), signature(secret, timestamp, body).encode())


class Webhook:
    """Posts to one address. Raises ConfigError for one that is none."""

    def __init__(self, transport: Transport, url: str, secret: str, clock: Clock) -> None:
        self._transport = transport
        self._target = read_address(url)
        self._secret = secret
        self._clock = clock

    async def __call__(self, notice: Notice) -> Outcome:
        body = json.encode(notice)
        timestamp = str(self._clock.wall_ns() // NANOSECONDS)
        headers = (
            (TIMESTAMP, timestamp),
            (SIGNATURE, signature(self._secret, timestamp, body)),
            (DELIVERY, notice.id),
        )
        return await post(self._transport, self._target, body, headers)
