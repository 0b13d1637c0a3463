"""What a span says, for full text: every text in what went in and came out of it, and its name."""

import re
from typing import Final, cast

from msgspec import MsgspecError, json

_WORD: Final = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Runs of letters and digits, as they stand."""
    return _WORD.findall(text)


def text_of(part: bytes) -> str:
    """All texts in a JSON value that are no names of members, one on a line; a part that is no JSON as it is."""
    try:
        told: object = json.decode(part)
    except (MsgspecError, UnicodeDecodeError):
        return part.decode(errors="replace")
    if isinstance(told, str):
        return told
    found: list[str] = []
    waiting = [told]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting += cast("dict[str, object]", value).values()
        elif isinstance(value, list):
            waiting += cast("list[object]", value)
    return "\n".join(found)
