"""Sending shares of a name's calls to other names: by weight, for calls that fit an expression, and sticky."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final, cast

from msgspec import UNSET, DecodeError, Struct
from msgspec.json import decode, encode

from switchgear.kernel.call import Call
from switchgear.kernel.ids import RandomBits
from switchgear.routing import expression
from switchgear.routing.policy import Choice, Sticky
from switchgear.routing.wishes import session_of

_PRECISION: Final = 53
_OF_A_HUNDRED: Final = 100 / (1 << _PRECISION)


class Split(Struct, frozen=True, kw_only=True):
    """One rule, ready to be asked."""

    name: str
    """Of the model that is split: sticky callers draw anew for each."""
    fits: Callable[[expression.Facts], bool] | None
    shares: tuple[tuple[str, float], ...]
    sticky: Sticky


def split(name: str, choice: Choice) -> Split:
    """Make a rule of what was declared. Raises BadExpression."""
    fits = expression.parse(choice.when) if choice.when else None
    return Split(name=name, fits=fits, shares=choice.shares, sticky=choice.sticky)


def chosen(splits: tuple[Split, ...], call: Call, random_bits: RandomBits) -> str:
    """The name that the first fitting rule sends ``call`` to; empty when none fits."""
    facts = CallFacts(call)
    for rule in splits:
        fits = rule.fits
        if fits is None or fits(facts):
            return _draw(rule, _mark(rule, facts, random_bits))
    return ""


def _draw(rule: Split, mark: float) -> str:
    for name, share in rule.shares:
        mark -= share
        if mark < 0:
            return name
    return rule.shares[-1][0]


def _mark(rule: Split, facts: "CallFacts", random_bits: RandomBits) -> float:
    """A number below 100: drawn, or the same for the same user or session."""
    sticky = rule.sticky
    who = "" if sticky == "none" else facts.text(sticky)
    if not who:
        return random_bits(_PRECISION) * _OF_A_HUNDRED
    digest = blake2b(f"{rule.name}\0{who}".encode(), digest_size=8).digest()
    return 100 * int.from_bytes(digest, "big") / (1 << 64)


class CallFacts:
    """A call, as expressions see it."""

    __slots__ = ("_call", "_metadata")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._metadata: Mapping[str, object] | None = None

    def text(self, name: str) -> str:
        """Of the caller, the model, the door, or the conversation."""
        call = self._call
        match name:
            case "key":
                return call.caller.key if call.caller is not None else ""
            case "user":
                return call.labels().user
            case "model":
                return call.head.model
            case "door":
                return call.door
            case _:
                return session_of(call)

    def header(self, name: bytes) -> str:
        """Empty when it was not sent; ``name`` in lower case."""
        value = self._call.headers.get(name)
        return "" if value is None else value.decode("latin-1")

    def metadata(self, name: str) -> str:
        """A member of the request's ``metadata``, or a note of the call's labels; what is not text as JSON.

        Empty when there is none.
        """
        if self._metadata is None:
            self._metadata = {**self._call.labels().metadata, **_object(self._call)}
        value = self._metadata.get(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else encode(value).decode()

    def tags(self) -> tuple[str, ...]:
        """The words on the call."""
        return self._call.labels().tags

    def truth(self, name: str) -> bool:
        """Whether the call asks for a stream, or brings tools."""
        return self._call.stream if name == "stream" else self._call.head.tools is not UNSET


def _object(call: Call) -> Mapping[str, object]:
    raw = call.head.metadata
    if raw is UNSET:
        return {}
    try:
        found: object = decode(cast("bytes", raw))
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
