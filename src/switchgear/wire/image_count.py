"""How many pictures an answer of OpenAI's images API holds or names, counted while it goes by.

Megabytes of base64 cost a search for two names. Only a member's name can match: inside a string its closing quote would
be escaped.
"""

import re
from typing import Final

_IMAGE: Final = re.compile(rb'"(?:b64_json|url)"\s{0,16}:\s{0,16}"')
_LONGEST: Final = 64


class ImageScan:
    """``images`` is how many were found so far."""

    __slots__ = ("_rest", "images")

    def __init__(self) -> None:
        self._rest = b""
        self.images = 0

    def feed(self, data: bytes) -> None:
        """Look at more bytes of the answer."""
        window = self._rest + data
        end = 0
        for found in _IMAGE.finditer(window):
            self.images += 1
            end = found.end()
        self._rest = window[max(end, len(window) - _LONGEST) :]
