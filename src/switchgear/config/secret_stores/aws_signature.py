"""Amazon's Signature Version 4 for the one shape of request that is sent: a POST of a body to ``/``.

See docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct


class Credentials(Struct, frozen=True):
    """Who signs; the repr shows only the id."""

    key_id: str
    secret: str
    token: str = ""
    """Of a session; empty: the key is one that lasts."""

    def __repr__(self) -> str:
        return f"Credentials({self.key_id})"


class Scope(Struct, frozen=True):
    """What a signature is good for."""

    region: str
    service: str


def signed(
    headers: Mapping[str, str], body: bytes, authority: str, credentials: Credentials, scope: Scope, *, wall_ns: int
) -> dict[str, str]:
    """``headers`` (names in lower case) with those that sign a POST of ``body`` to ``/`` at ``authority``."""
    at = datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    day = at[:8]
    sent = {**headers, "x-amz-date": at}
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    counted = sorted({**sent, "host": authority}.items())
    names = ";".join(name for name, _ in counted)
    lines = [f"{name}:{' '.join(value.split())}" for name, value in counted]
    canonical = "\n".join(("POST", "/", "", *lines, "", names, hashlib.sha256(body).hexdigest()))
    area = f"{day}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", at, area, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret}".encode()
    for piece in area.split("/"):
        key = hmac.digest(key, piece.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{area}, SignedHeaders={names}, Signature={signature}"
    )
    return sent
