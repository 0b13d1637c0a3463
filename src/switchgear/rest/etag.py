"""ETags and the conditions on them (RFC 9110 §8.8.3, §13): nobody overwrites what they have not seen."""

import hashlib
from collections.abc import Mapping

from switchgear.rest.problem import Refused


def etag_of(version: int | str) -> str:
    """The strong ETag of one version of something."""
    return f'"{version}"'


def digest_etag(content: bytes) -> str:
    """The strong ETag of what has no version: of its own bytes."""
    return etag_of(hashlib.sha256(content).hexdigest()[:32])


def matches(condition: str, etag: str) -> bool:
    """Whether the list of ETags in a header holds ``etag``; a weak one counts where it may (If-None-Match)."""
    return condition.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in condition.split(","))


def unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the caller of a GET has this version already."""
    condition = headers.get("if-none-match")
    return condition is not None and bool(etag) and matches(condition, etag)


def check_replaces(headers: Mapping[str, str], etag: str) -> None:
    """Raises Refused: 428 when a change does not say which version it changes, 412 when it is another."""
    condition = headers.get("if-match")
    if condition is None:
        raise Refused(
            428, "precondition_required", "say which version you change: send its ETag in If-Match, or '*' for any"
        )
    if not matches(condition, etag):
        raise Refused(412, "precondition_failed", f"it was changed meanwhile and is at {etag}; read it again")


def wants_new(headers: Mapping[str, str]) -> bool:
    """Whether the caller wants to make something that must not be there yet."""
    return headers.get("if-none-match", "").strip() == "*"
