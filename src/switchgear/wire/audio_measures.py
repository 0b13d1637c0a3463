"""How much was spoken or heard, for what vendors bill by the character or by the second rather than by the token."""

import re
from typing import Final

from msgspec import DecodeError, Struct, json

_KEY: Final = b'"duration"'
_NUMBER: Final = re.compile(rb'"duration"\s*:\s*"?(\d{1,9}(?:\.\d{1,20})?)"?\s*[,}]')
_MAX_BYTES: Final = 64


class _Spoken(Struct):
    input: str = ""


class DurationScan:
    """Finds the ``duration`` of a ``verbose_json`` transcription while it goes by; the first one is the whole's."""

    __slots__ = ("_window", "seconds")

    def __init__(self) -> None:
        self._window = b""
        self.seconds = 0.0
        """0: none was told so far."""

    def feed(self, data: bytes) -> None:
        """Look at more bytes of the answer."""
        if self.seconds:
            return
        window = self._window + data
        found = _NUMBER.search(window)
        if found is not None:
            self.seconds = float(found[1])
            window = b""
        at = window.rfind(_KEY, max(0, len(window) - _MAX_BYTES))
        self._window = window[at:] if at >= 0 else window[-(len(_KEY) - 1) :]


def characters_to_speak(body: bytes) -> int:
    """The length of the text of a request for speech; 0 where there is none to be read."""
    try:
        return len(json.decode(body, type=_Spoken).input)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return 0
