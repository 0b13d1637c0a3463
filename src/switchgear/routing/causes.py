"""Why an attempt failed: each error is classified once, by its class, status and code, never by its prose.

What follows from a cause is data below: whether the same request may succeed elsewhere, whether it may succeed at the
same place a moment later, and whether it counts against the deployment.
"""

from collections.abc import Mapping
from typing import Final

from switchgear.kernel.errors import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    Overloaded,
    SwitchgearError,
    UpstreamGarbled,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from switchgear.routing.policy import Cause

ELSEWHERE: Final[frozenset[Cause]] = frozenset(
    (
        "unreachable",
        "unanswered",
        "timeout",
        "rate_limited",
        "overloaded",
        "server_error",
        "garbled",
        "truncated",
        "auth",
        "quota",
        "unsupported",
        "busy",
    )
)
"""Another deployment of the same model may do better. A filter and a context window are the model's own."""
AGAIN: Final[frozenset[Cause]] = frozenset(
    ("unreachable", "unanswered", "timeout", "rate_limited", "overloaded", "server_error", "garbled", "truncated")
)
"""The same deployment may do better in a moment."""
COUNTED: Final[frozenset[Cause]] = frozenset(
    ("unreachable", "unanswered", "timeout", "overloaded", "server_error", "garbled", "truncated")
)
"""Says something about the deployment's health. A rate limit does not: it has its own clock."""
UNSENT: Final[frozenset[Cause]] = frozenset(("unreachable", "overloaded", "busy"))
"""Without an answer's status: the request never left the gateway."""
SENT_AWAY: Final[frozenset[Cause]] = frozenset(("auth", "rate_limited", "quota"))
"""The upstream says not to come, or not yet: calls that are not sent then fail with its words."""
ONLY_DECLARED: Final[frozenset[Cause]] = frozenset(("content_filter", "context_length", "refused", "unsupported"))
"""Never routed around by ``any``: a refusal is an answer, and only a chain declared for this cause goes past it."""

_CODES: Final[Mapping[str, Cause]] = {
    "context_length_exceeded": "context_length",
    "string_above_max_length": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "insufficient_quota": "quota",
    "billing_error": "quota",
    "overloaded_error": "overloaded",
    "overloaded": "overloaded",
    "engine_overloaded": "overloaded",
}
_STATUSES: Final[Mapping[int, Cause]] = {
    402: "quota",
    408: "timeout",
    409: "server_error",
    413: "context_length",
    425: "server_error",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_TYPES: Final[tuple[tuple[type[SwitchgearError], Cause], ...]] = (
    (ContextTooLong, "context_length"),
    (ContentFiltered, "content_filter"),
    (BadRequest, "unsupported"),
    (Overloaded, "busy"),
    (UpstreamUnauthorized, "auth"),
    (UpstreamUnreachable, "unreachable"),
    (UpstreamGarbled, "garbled"),
)


def cause_of(error: SwitchgearError, *, answered: bool) -> Cause:
    """The cause of a failed attempt; ``answered``: the upstream had sent a status."""
    if isinstance(error, UpstreamRefused):
        return _refusal(error)
    if isinstance(error, UpstreamTimeout):
        return "unreachable" if error.phase == "connect" else "timeout"
    if isinstance(error, UpstreamTruncated):
        return "truncated" if answered else "unanswered"
    for kind, cause in _TYPES:
        if isinstance(error, kind):
            return cause
    return "server_error"


def _refusal(error: UpstreamRefused) -> Cause:
    known = _CODES.get(error.code) or _CODES.get(error.kind or "") or _STATUSES.get(error.status)
    if known is not None:
        return known
    return "server_error" if error.status >= 500 else "refused"
