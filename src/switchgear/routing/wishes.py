"""What a caller asks of routing for one call, in headers: our own names, and those that other gateways' users have.

=====================================  ====================================================================
``x-switchgear-timeout``               seconds for the whole call; also ``x-litellm-timeout``, and
                                       ``x-portkey-request-timeout`` in milliseconds
``x-litellm-stream-timeout``           seconds to the first piece of a stream's content
``x-switchgear-retries``               tries after the first; also ``x-litellm-num-retries``, and
                                       ``helicone-retry-num`` where ``helicone-retry-enabled`` is true
``x-switchgear-fallbacks``             model names, joined by commas or as a JSON array; also
                                       ``helicone-fallbacks``
``x-switchgear-priority``              ``high``, ``normal`` or ``low``
=====================================  ====================================================================

Conversations and tags are the call's labels (``kernel/labels.py``). A header that names an address, or brings another
gateway's own routing, is refused: followed, it would lead around the operator's rules, and left out, astray.
"""

from collections.abc import Callable
from typing import Final

from msgspec import DecodeError, Struct, json

from switchgear.kernel.call import Call, model_allowed
from switchgear.kernel.errors import BadRequest, Forbidden
from switchgear.kernel.labels import text_of, words

PRIORITIES: Final = {"high": -1, "normal": 0, "low": 1}
_MOST_FALLBACKS: Final = 8
_MOST_RETRIES: Final = 10
_LONGEST_SECONDS: Final = 86_400.0
_FALLBACKS: Final = (b"x-switchgear-fallbacks", b"helicone-fallbacks")
_ADDRESSES: Final = (b"helicone-target-url", b"helicone-openai-api-base", b"x-portkey-custom-host")
_PORTKEY_CONFIG: Final = b"x-portkey-config"
_PORTKEY_MILLISECONDS: Final = b"x-portkey-request-timeout"
KNOWN: Final = frozenset(
    (
        b"x-switchgear-timeout",
        b"x-switchgear-retries",
        b"x-switchgear-priority",
        b"x-litellm-timeout",
        b"x-litellm-stream-timeout",
        b"x-litellm-num-retries",
        b"helicone-retry-enabled",
        _PORTKEY_CONFIG,
        _PORTKEY_MILLISECONDS,
        *_FALLBACKS,
        *_ADDRESSES,
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


class _Named(Struct, forbid_unknown_fields=True):
    """A fallback as an object: LiteLLM's and Helicone's, as far as it names a model and changes nothing else."""

    model: str


def wishes_of(call: Call) -> Wishes:
    """The wishes of a call.

    Raises BadRequest for a header that cannot be understood, or must not be followed, and Forbidden for a fallback to
    a model that the caller's key may not use.
    """
    if KNOWN.isdisjoint(call.headers):
        return NONE
    _refuse_foreign_routing(call)
    priority = _text(call, b"x-switchgear-priority") or "normal"
    if priority not in PRIORITIES:
        raise BadRequest(f"x-switchgear-priority: {priority[:40]!r} is none of {', '.join(PRIORITIES)}")
    return Wishes(
        timeout_seconds=_timeout_seconds(call),
        first_token_seconds=_number(call, _seconds, b"x-litellm-stream-timeout"),
        retries=_retries(call),
        fallbacks=_fallbacks(call),
        priority=PRIORITIES[priority],
    )


def session_of(call: Call) -> str:
    """The conversation that the caller names; empty when it names none."""
    return call.labels().session


def tags_of(call: Call) -> tuple[str, ...]:
    """The words that the caller put on the call."""
    return call.labels().tags


def _refuse_foreign_routing(call: Call) -> None:
    for name in _ADDRESSES:
        if _text(call, name):
            raise BadRequest(
                f"{name.decode()}: this gateway sends calls to the providers of its own configuration only; "
                "leave the header out and name a model as 'provider/model', or by its alias"
            )
    if _text(call, _PORTKEY_CONFIG).startswith("{"):
        raise BadRequest(
            "x-portkey-config: a configuration inside a request is not followed here; retries, fallbacks and balancing "
            "stand under 'models' in switchgear.yaml, or in the headers x-switchgear-retries and x-switchgear-fallbacks"
        )


def _timeout_seconds(call: Call) -> float | None:
    seconds = _number(call, _seconds, b"x-switchgear-timeout", b"x-litellm-timeout")
    milliseconds = _number(call, lambda number: _seconds(number / 1000), _PORTKEY_MILLISECONDS)
    return milliseconds / 1000 if seconds is None and milliseconds is not None else seconds


def _retries(call: Call) -> int | None:
    retries = _number(call, _whole, b"x-switchgear-retries", b"x-litellm-num-retries")
    if retries is None and _text(call, b"helicone-retry-enabled").lower() == "true":
        retries = _number(call, _whole, b"helicone-retry-num")
    return None if retries is None else min(int(retries), _MOST_RETRIES)


def _fallbacks(call: Call) -> tuple[str, ...]:
    name, text = next(((name, text) for name in _FALLBACKS if (text := _text(call, name))), (b"", ""))
    names = (_named(name.decode(), text) if text.startswith("[") else words(text))[:_MOST_FALLBACKS]
    caller = call.caller
    barred = () if caller is None else [model for model in names if not model_allowed(caller.models, model)]
    if caller is not None and barred:
        raise Forbidden(f"{name.decode()}: key {caller.key!r} may not use model {barred[0][:200]!r}", param="model")
    return names


def _named(header: str, text: str) -> tuple[str, ...]:
    try:
        found = json.decode(text, type=list[str | _Named])
    except (DecodeError, UnicodeError) as error:
        raise BadRequest(
            f"{header}: write a JSON array of names of this gateway's models; no addresses, keys or other settings "
            f"are taken from a request ({error})"
        ) from None
    return tuple(each if isinstance(each, str) else each.model for each in found)


def _text(call: Call, name: bytes) -> str:
    value = call.headers.get(name)
    return text_of(value) if value else ""


def _number(call: Call, usable: Callable[[float], bool], *names: bytes) -> float | None:
    for name in names:
        text = _text(call, name)
        if not text:
            continue
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not usable(number):
            raise BadRequest(f"{name.decode()}: {text[:40]!r} is not a number that can be used")
        return number
    return None


def _seconds(number: float) -> bool:
    return 0 < number <= _LONGEST_SECONDS


def _whole(number: float) -> bool:
    return 0 <= number <= _LONGEST_SECONDS and number.is_integer()
