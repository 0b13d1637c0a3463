"""How values of a vendor's JSON are read: what is of another kind than it should be is as if it were not there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from msgspec import json

from switchgear.kernel.errors import BadRequest

_SECOND_NS: Final = 1_000_000_000
_MILLISECOND_NS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def an_object(value: object, what: str) -> dict[str, object]:
    """Raises BadRequest for what is none."""
    if not isinstance(value, dict):
        raise BadRequest(f"{what} is no JSON object")
    return cast("dict[str, object]", value)


def members(value: object) -> dict[str, object]:
    """Those of an object; none of anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def a_list(value: object, what: str) -> list[object]:
    """Raises BadRequest for what is none."""
    if not isinstance(value, list):
        raise BadRequest(f"{what} is no JSON list")
    return cast("list[object]", value)


def text(fields: Mapping[str, object], *names: str) -> str:
    """The first of ``names`` that is a text, and not an empty one; a number is one as well."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def number(value: object) -> float | None:
    """A number; a boolean is 0 or 1."""
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def moment_ns(value: object) -> int | None:
    """A moment as ISO 8601 (UTC where it does not say), or as a number: seconds, milliseconds or nanoseconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _counted_ns(value)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * 86_400 + since.seconds) * _SECOND_NS + since.microseconds * 1000


def _counted_ns(value: float) -> int | None:
    if not 0 < value < 1e19:
        return None
    if value < 1e11:
        return round(value * _SECOND_NS)
    return round(value * _MILLISECOND_NS) if value < 1e14 else int(value)


def as_text(value: object) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.encode(value).decode()


def read_cursor(cursor: str) -> tuple[int, str]:
    """Behind which moment and id a page begins. Raises BadRequest."""
    at_ns, _, name = cursor.partition(":")
    if not (at_ns.isascii() and at_ns.isdigit() and len(at_ns) < 20 and int(at_ns) < 1 << 63) or "\0" in name:
        raise BadRequest("the cursor is none of this list", param="cursor")
    return int(at_ns), name
