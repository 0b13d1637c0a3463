"""Reads values of any type without ever failing: what a sender wrote is carried, or cut, but raises nothing."""

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard, cast

from msgspec import DecodeError, json

MOST_LEVELS: Final = 24
"""Deeper values are cut there."""
CUT: Final = "(cut: too deep)"
_OPENING: Final = frozenset("[{")
_WIDEST: Final = 2**63
_PLAIN: Final = frozenset((bool, type(None)))
_NO_MAPPINGS: Final = frozenset((str, int, float, bool, type(None), list))
"""Of these it need not be asked whether they are mappings, which is slow."""
_decode: Final = json.Decoder().decode
_encode: Final = json.Encoder(order="sorted").encode


def sound(text: str) -> str:
    """``text`` without what no UTF-8 can carry."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a value has members."""
    kind = type(value)
    return kind is dict or (kind not in _NO_MAPPINGS and isinstance(value, Mapping))


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value has items."""
    return type(value) is list or isinstance(value, list | tuple)


def clean(value: object, levels: int = MOST_LEVELS) -> object:
    """``value`` as JSON can hold it: numbers that are none become text, bytes base64, strange types their name."""
    kind = type(value)
    if kind is str:
        return sound(cast("str", value))
    if kind is int:
        number = cast("int", value)
        return number if -_WIDEST <= number < _WIDEST else _huge(number)
    if kind is float:
        return value if math.isfinite(cast("float", value)) else str(value)
    if kind in _PLAIN:
        return value
    if levels == 0:
        return CUT
    if is_list(value):
        return [clean(held, levels - 1) for held in value]
    if is_object(value):
        return {name(key): clean(held, levels - 1) for key, held in value.items()}
    return _strange(value)


def _huge(number: int) -> str:
    # Python refuses to write integers of more than 4300 digits in decimals.
    return str(number) if number.bit_length() < 10_000 else "(cut: a number too large)"


def _strange(value: object) -> object:
    if isinstance(value, str):
        return sound(str.__str__(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(cast("bytes", value))).decode()
    if isinstance(value, int):
        return clean(int(value))
    return clean(float(value)) if isinstance(value, float) else f"({type(value).__name__})"


def name(key: object) -> str:
    """A member's or attribute's name as text."""
    return sound(key) if type(key) is str else sound(str(clean(key)))


def encoded(value: object) -> bytes:
    """JSON of a clean value; equal values are equal bytes."""
    return _encode(value)


def decoded(text: str) -> object:
    """What a JSON text says; itself where it is none."""
    try:
        return cast("object", _decode(text))
    except (DecodeError, RecursionError, UnicodeError, ValueError):
        return text


def opened(value: object) -> object:
    """A value, and what it says where it is the JSON text of an object or a list."""
    if not isinstance(value, str):
        return value
    start = value[:1]
    if start.isalnum():
        return value
    if start.isspace():
        start = value[:64].lstrip()[:1]
    return decoded(value) if start in _OPENING else value


def text(value: object) -> str:
    """A short text; numbers are written out, anything else is empty."""
    if type(value) is str:
        return value if value.isascii() else sound(value)
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(clean(value))
    if is_list(value) and value:
        return text(value[0]) if isinstance(value[0], str) else ""
    return ""


def written(value: object) -> str:
    """Any value as text: JSON where it is more than a word."""
    if value is None:
        return ""
    return text(value) if isinstance(value, str | int | float) else encoded(clean(value)).decode()


def number(value: object) -> float | None:
    """A finite number, also one written as text."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            return None
        return found if math.isfinite(found) else None
    return None


def count(value: object) -> int | None:
    """A whole number from 0 to 2^53."""
    if type(value) is int:
        return value if 0 <= value < 2**53 else None
    found = number(value)
    return int(found) if found is not None and 0 <= found < 2**53 else None


def members(value: object) -> Mapping[str, Any]:
    """The members of an object, or of its JSON text; of anything else none."""
    value = opened(value)
    return value if is_object(value) else {}


def items(value: object) -> list[Any]:
    """The items of a list, or of its JSON text; of anything else none."""
    value = opened(value)
    return list(value) if is_list(value) else []


def moment_ns(value: object) -> int:
    """Unix time of a moment in ISO 8601, quoted or not; 0 where it is none."""
    if not isinstance(value, str) or len(value) > 64:
        return 0
    try:
        moment = datetime.fromisoformat(value.strip('" '))
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    except (OverflowError, ValueError):
        return 0
