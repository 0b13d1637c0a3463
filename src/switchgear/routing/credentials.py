"""An upstream's refusal of the gateway's own credentials: the operator's to mend, and no client's key is meant."""

import re
from typing import Final

from switchgear.kernel.errors import SwitchgearError, UpstreamRefused, UpstreamUnauthorized

_STATUSES: Final = frozenset((401, 403))
_WORD: Final = re.compile(r"[A-Za-z_]{1,64}")
"""A code without digits or signs cannot be a part of a key."""
_SAYS_NOTHING: Final = "upstream_error"


def classified(error: SwitchgearError, deployment: str) -> SwitchgearError:
    """``error`` itself, or UpstreamUnauthorized in its place when the upstream answered 401 or 403.

    Only the upstream's code goes on, if it is a word: vendors repeat a part of the key in their message.
    """
    if not isinstance(error, UpstreamRefused) or error.status not in _STATUSES:
        return error
    reason = next((word for word in (error.code, error.kind) if _tells(word)), None)
    told = f"status {error.status}" if reason is None else f"status {error.status}, {reason}"
    return UpstreamUnauthorized(
        f"the upstream refused the credentials that the gateway sent for {deployment!r} ({told}); "
        "the provider's api_key is for whoever runs this gateway to correct"
    )


def _tells(word: str | None) -> bool:
    return word is not None and word != _SAYS_NOTHING and _WORD.fullmatch(word) is not None
