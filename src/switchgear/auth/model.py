"""Virtual keys as the data plane sees them: digests in an immutable ring, never the keys themselves."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from switchgear.kernel.call import Caller

_NOBODY: Final = hashlib.sha256(b"no key has this digest because no key is empty").digest()


class VirtualKey(Struct, frozen=True, kw_only=True):
    """One key: the SHA-256 of its text, and what it may do.

    The keys are 192 random bits, so a plain digest is as hard to reverse as a slow one.
    """

    name: str
    digest: bytes
    models: tuple[str, ...] = ()
    disabled: bool = False


class KeyRing:
    """All keys of one snapshot, found by digest in constant time."""

    __slots__ = ("_by_digest", "allows_anonymous_loopback")

    def __init__(self, keys: Iterable[VirtualKey], *, allow_anonymous_loopback: bool) -> None:
        self._by_digest = {key.digest: (key, Caller(key=key.name, models=key.models)) for key in keys}
        self.allows_anonymous_loopback = allow_anonymous_loopback

    def find(self, presented: bytes) -> Caller | None:
        """The caller whose key is ``presented``; None for a wrong, disabled or missing key, all at the same cost."""
        digest = hashlib.sha256(presented).digest()
        found = self._by_digest.get(digest)
        known = found[0].digest if found is not None else _NOBODY
        if not hmac.compare_digest(known, digest) or found is None or found[0].disabled:
            return None
        return found[1]


def digest_of(key: str) -> bytes:
    """The digest under which a key is stored."""
    return hashlib.sha256(key.encode()).digest()


def model_allowed(allowed: tuple[str, ...], model: str) -> bool:
    """Whether ``model`` is among ``allowed``: exact names, or prefixes that end in ``*``; empty allows all."""
    if not allowed:
        return True
    return any(model.startswith(name[:-1]) if name.endswith("*") else model == name for name in allowed)
