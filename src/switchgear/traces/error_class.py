"""What kind of error ended a call: a word of few, by the error's code and status, never by its prose."""

from collections.abc import Mapping
from typing import Final

CLASSES: Final[Mapping[str, str]] = {
    "authentication": "401: no key, or a wrong one",
    "permission": "403: the key may not",
    "not_found": "404: no such model, or no such path",
    "invalid_request": "any other 4xx: the request is wrong",
    "context_length": "the prompt is too long for the model",
    "content_filter": "a filter of the upstream refused",
    "too_large": "413: the body is too large",
    "rate_limited": "429: a rate limit, the gateway's or an upstream's",
    "quota": "402, or 429 for a budget or quota that is used up",
    "timeout": "408 or 504: somebody was too slow",
    "overloaded": "503 or 529: too much at once, here or there",
    "unreachable": "no connection to the upstream",
    "upstream_auth": "the upstream does not take the gateway's own key",
    "truncated": "the upstream broke off",
    "garbled": "the upstream's answer could not be read",
    "upstream_error": "any other 5xx of an upstream",
    "internal": "a defect of the gateway",
}
"""Every class, with what falls into it."""

_BY_CODE: Final[Mapping[str, str]] = {
    "context_length_exceeded": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "insufficient_quota": "quota",
    "billing_error": "quota",
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "upstream_unreachable": "unreachable",
    "upstream_timeout": "timeout",
    "upstream_auth": "upstream_auth",
    "upstream_truncated": "truncated",
    "upstream_garbled": "garbled",
    "internal_error": "internal",
}
_BY_STATUS: Final[Mapping[int, str]] = {
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}


def error_class(error: str, status: int) -> str:
    """The class of an error as records tell it, its code before a colon, under the status that went with it."""
    known = _BY_CODE.get(error.partition(":")[0]) or _BY_STATUS.get(status)
    if known is not None:
        return known
    # Behind a stream's 200 there may be any error that has no code of its own: somebody's on the way.
    return "invalid_request" if 400 <= status < 500 else "upstream_error"
