"""What a caller asks of routing for one call, in headers: our own names, and those that other gateways' users have.

=====================================  ==============================================
``x-switchgear-timeout``               seconds for the whole call
``x-switchgear-retries``               tries after the first
``x-switchgear-fallbacks``             model names, joined by commas
``x-switchgear-session``               a conversation; also ``x-session-id``
``x-switchgear-tags``                  words, joined by commas
``x-switchgear-priority``              ``high``, ``normal`` or ``low``
=====================================  ==============================================
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from switchgear.kernel.call import Call, model_allowed
from switchgear.kernel.errors import BadRequest, Forbidden

PRIORITIES: Final = {"high": -1, "normal": 0, "low": 1}
_MOST_FALLBACKS: Final = 8
_MOST_RETRIES: Final = 10
_LONGEST_SECONDS: Final = 86_400.0
_LONGEST_SESSION: Final = 256
_SESSION_HEADERS: Final = (b"x-switchgear-session", b"x-session-id", b"helicone-session-id")
_TAG_HEADERS: Final = (b"x-switchgear-tags", b"x-litellm-tags")
KNOWN: Final = frozenset(
    (
        b"x-switchgear-timeout",
        b"x-switchgear-retries",
        b"x-switchgear-fallbacks",
        b"x-switchgear-priority",
        b"x-litellm-timeout",
        b"x-litellm-stream-timeout",
        b"x-litellm-num-retries",
    )
)
"""Headers that change how a call is routed, whatever its model's policy."""


class Wishes(Struct, frozen=True, kw_only=True):
    """None and empty: not said."""

    timeout_seconds: float | None = None
    first_token_seconds: float | None = None
    retries: int | None = None
    fallbacks: tuple[str, ...] = ()
    priority: int = 0


NONE: Final = Wishes()


def wishes_of(call: Call) -> Wishes:
    """The wishes of a call.

    Raises BadRequest for a header that cannot be understood, Forbidden for a model that the caller's key may not use.
    """
    if KNOWN.isdisjoint(call.headers):
        return NONE
    priority = _text(call, b"x-switchgear-priority") or "normal"
    if priority not in PRIORITIES:
        raise BadRequest(f"x-switchgear-priority: {priority[:40]!r} is none of {', '.join(PRIORITIES)}")
    retries = _number(call, float.is_integer, b"x-switchgear-retries", b"x-litellm-num-retries")
    return Wishes(
        timeout_seconds=_number(call, _positive, b"x-switchgear-timeout", b"x-litellm-timeout"),
        first_token_seconds=_number(call, _positive, b"x-litellm-stream-timeout"),
        retries=None if retries is None else min(int(retries), _MOST_RETRIES),
        fallbacks=_fallbacks(call),
        priority=PRIORITIES[priority],
    )


def _fallbacks(call: Call) -> tuple[str, ...]:
    names = _words(_text(call, b"x-switchgear-fallbacks"))[:_MOST_FALLBACKS]
    caller = call.caller
    barred = () if caller is None else [name for name in names if not model_allowed(caller.models, name)]
    if caller is not None and barred:
        raise Forbidden(
            f"x-switchgear-fallbacks: key {caller.key!r} may not use model {barred[0][:200]!r}", param="model"
        )
    return names


def session_of(call: Call) -> str:
    """The conversation that the caller names; empty when it names none."""
    found = next((value for name in _SESSION_HEADERS if (value := call.headers.get(name))), b"")
    return found.decode("latin-1")[:_LONGEST_SESSION]


def tags_of(call: Call) -> tuple[str, ...]:
    """The words that the caller put on the call."""
    return _words(next((text for name in _TAG_HEADERS if (text := _text(call, name))), ""))


def _text(call: Call, name: bytes) -> str:
    return call.headers.get(name, b"").decode("latin-1").strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (each.strip() for each in text.split(",")) if word)


def _number(call: Call, usable: Callable[[float], bool], *names: bytes) -> float | None:
    for name in names:
        text = _text(call, name)
        if not text:
            continue
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not (0 <= number <= _LONGEST_SECONDS and usable(number)):
            raise BadRequest(f"{name.decode()}: {text[:40]!r} is not a number that can be used")
        return number
    return None


def _positive(number: float) -> bool:
    return number > 0
