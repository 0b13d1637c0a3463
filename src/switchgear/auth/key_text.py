"""The text of a virtual key that the control database keeps: a lookup prefix that may be seen, and random bits.

``sk-sg-`` + 12 hexadecimal digits + ``-`` + 48 hexadecimal digits: the first part finds the key and tells people which
one it is, the second is 192 bits that nobody can guess. Kept is the HMAC-SHA-256 of the whole text (RFC 2104) under the
installation's hashing key, so that who reads the database learns nothing that could be tried elsewhere.
"""

import hmac
from collections.abc import Callable
from typing import Final

from msgspec import Struct

PREFIX: Final = "sk-sg-"
LOOKUP_BYTES: Final = 6
SECRET_BYTES: Final = 24

SecretHex = Callable[[int], str]
"""So many bytes from a secure source, as hexadecimal text."""


class FreshKey(Struct, frozen=True):
    """A key that was just made: the only moment in which its text is known."""

    lookup: str
    text: str

    def __repr__(self) -> str:
        return f"FreshKey({self.lookup!r}, ****)"


def fresh_key(secret_hex: SecretHex) -> FreshKey:
    """A new key."""
    lookup = secret_hex(LOOKUP_BYTES)
    return FreshKey(lookup, f"{PREFIX}{lookup}-{secret_hex(SECRET_BYTES)}")


def keyed_hash(hashing_key: bytes, text: bytes) -> bytes:
    """What is kept of a key, 32 bytes."""
    return hmac.digest(hashing_key, text, "sha256")
