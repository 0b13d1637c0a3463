"""Text that must not be seen: API keys, virtual keys, values of headers."""

import hashlib
import hmac
from typing import Final

MASK: Final = "****"


class Secret:
    """A text that only :meth:`reveal` shows: no repr, no f-string and no log does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def digest(self) -> bytes:
        """The SHA-256 of the text."""
        return hashlib.sha256(self._text.encode()).digest()

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK


class SecretLines(Secret):
    """One that may have several lines, such as a key in PEM; it can stand in no header."""

    __slots__ = ()
