"""Virtual keys as the data plane sees them: digests in an immutable ring, never the keys themselves."""

import hashlib
from collections.abc import Iterable, Mapping

from msgspec import Struct

from switchgear.kernel.call import Caller, model_allowed

__all__ = ["KeyRing", "VirtualKey", "digest_of", "key_ring", "model_allowed"]


class VirtualKey(Struct, frozen=True, kw_only=True):
    """One key: the SHA-256 of its text, and what it may do.

    The keys are 192 random bits, so a plain digest is as hard to reverse as a slow one.
    """

    name: str
    digest: bytes
    models: tuple[str, ...] = ()
    disabled: bool = False


class KeyRing(Struct, frozen=True, kw_only=True):
    """All keys of one snapshot, by digest."""

    callers: Mapping[bytes, tuple[VirtualKey, Caller]]
    allows_anonymous_loopback: bool


def key_ring(keys: Iterable[VirtualKey], *, allow_anonymous_loopback: bool) -> KeyRing:
    """A ring of ``keys``."""
    callers = {key.digest: (key, Caller(key=key.name, models=key.models)) for key in keys}
    return KeyRing(callers=callers, allows_anonymous_loopback=allow_anonymous_loopback)


def digest_of(key: str) -> bytes:
    """The digest under which a key is stored."""
    return hashlib.sha256(key.encode()).digest()
