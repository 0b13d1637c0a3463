"""Halves of characters in JSON, as they are left where somebody cuts a text in the middle of one.

JavaScript writes such a half as an escape, and no text that is valid holds it: a whole request would be lost by it.
"""

import re
from typing import Final

_LONE: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*)\\u(?:"
    rb"[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F][0-9a-fA-F]{2})"
)
"""The escape of a half without its other one, behind any number of backslashes that are escaped themselves."""
_REPLACED: Final = rb"\1\\ufffd"


def without_lone_surrogates(body: bytes) -> bytes:
    """The JSON text with U+FFFD in the place of each half of a character; the same object where there is none."""
    return _LONE.sub(_REPLACED, body) if _LONE.search(body) else body
