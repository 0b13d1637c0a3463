"""What a line of a batch shows in place of its key: whose it is and which line, until when, under a MAC.

The key's own text is kept nowhere, so a batch cannot show it when its turn comes. Whoever created the batch was
authenticated then; the credential carries the key's name, and the gateway looks up what that key may do now. The MAC is
HMAC-SHA-256 (RFC 2104) under a secret that only the processes of one supervisor can read.
"""

import hmac
from typing import Final

from msgspec import Struct

HEADER: Final = "x-switchgear-line"


class LineOfBatch(Struct, frozen=True, kw_only=True):
    """One line of one batch."""

    key: str
    """The name of the virtual key that created the batch."""
    batch: str
    number: int


def sign(secret: bytes, line: LineOfBatch, expires_ns: int) -> str:
    """The credential of ``line``, of wall time up to ``expires_ns``."""
    said = f"{line.key}:{line.batch}:{line.number}:{expires_ns}"
    return f"{said}:{_mac(secret, said)}"


def verify(secret: bytes, credential: str, now_ns: int) -> LineOfBatch | None:
    """The line that ``credential`` stands for; None for a forged and an expired one alike."""
    said, _, mac = credential.rpartition(":")
    if not hmac.compare_digest(mac.encode(), _mac(secret, said).encode()):
        return None
    key, batch, number, expires = said.split(":")
    return LineOfBatch(key=key, batch=batch, number=int(number)) if now_ns < int(expires) else None


def _mac(secret: bytes, said: str) -> str:
    return hmac.digest(secret, f"switchgear line of a batch:{said}".encode(), "sha256").hex()
