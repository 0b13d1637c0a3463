"""What a sealed secret looks like at rest; opening one is in ``sealing.py``, which alone needs a library for it."""

from typing import Protocol

from msgspec import Struct


class Sealed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An envelope: a secret under a data key of its own, and that data key under a master key."""

    master: str
    """The id of the master key."""
    wrapped_nonce: bytes
    wrapped: bytes
    """The data key, encrypted under the master key."""
    nonce: bytes
    text: bytes
    """The secret, encrypted under the data key."""


class Opens(Protocol):
    """Opens envelopes."""

    def open(self, sealed: Sealed, context: str) -> bytes:
        """The secret. Raises ConfigError when the master key does not fit, or the envelope is not the one for that."""
        ...
