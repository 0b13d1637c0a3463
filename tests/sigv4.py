"""Amazon's Signature Version 4, verified from the request as it was received.

Written from the specification (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html), so
that it agrees with a signer only when both are right.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)"
)


def scope_of(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """The access key id, the region and the service that a request is signed for."""
    found = _AUTHORIZATION.fullmatch(headers["authorization"])
    assert found is not None, headers["authorization"]
    return found[1], found[3], found[4]


def is_signed(method: str, target: str, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the request bears the signature that ``secret`` gives it; ``headers`` in lower case."""
    found = _AUTHORIZATION.fullmatch(headers["authorization"])
    assert found is not None, headers["authorization"]
    _, day, region, service, names, signature = found.groups()
    signed = names.split(";")
    assert signed == sorted(signed)
    assert {"host", "x-amz-date"} <= set(signed)
    assert {name for name in headers if name.startswith("x-amz-")} <= set(signed)
    path, _, query = target.partition("?")
    canonical = "\n".join(
        (
            method,
            # Every service but S3 encodes the path, which is encoded already, once more.
            quote(path, safe="/-_.~"),
            "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for piece in (day, region, service, "aws4_request"):
        key = hmac.digest(key, piece.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)
