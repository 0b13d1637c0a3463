"""Virtual keys as the data plane sees them: digests in an immutable ring, never the keys themselves."""

import hashlib
from collections.abc import Iterable, Mapping

from msgspec import Struct

from switchgear.auth.address import Ranges
from switchgear.kernel.call import Caller, model_allowed

__all__ = ["KeyRing", "VirtualKey", "digest_of", "key_ring", "model_allowed"]


class VirtualKey(Struct, frozen=True, kw_only=True):
    """One key: the SHA-256 of its text, and what it may do.

    The keys are 192 random bits, so a plain digest is as hard to reverse as a slow one.
    """

    name: str
    digest: bytes
    models: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    """Empty: all."""
    ip_ranges: Ranges = ()
    """Empty: from anywhere."""
    expires_ns: int = 0
    """Wall time from which on it is refused; 0: never."""
    disabled: bool = False
    organisation: str = ""
    project: str = ""
    team: str = ""
    user: str = ""
    tags: tuple[str, ...] = ()

    def caller(self) -> Caller:
        """Who calls with it."""
        return Caller(
            key=self.name,
            models=self.models,
            organisation=self.organisation,
            project=self.project,
            team=self.team,
            user=self.user,
            tags=self.tags,
        )


class KeyRing(Struct, frozen=True, kw_only=True):
    """All keys of one snapshot, by digest."""

    callers: Mapping[bytes, tuple[VirtualKey, Caller]]
    allows_anonymous_loopback: bool
    trusted_proxies: Ranges = ()


def key_ring(keys: Iterable[VirtualKey], *, allow_anonymous_loopback: bool, trusted_proxies: Ranges = ()) -> KeyRing:
    """A ring of ``keys``."""
    return KeyRing(
        callers={key.digest: (key, key.caller()) for key in keys},
        allows_anonymous_loopback=allow_anonymous_loopback,
        trusted_proxies=trusted_proxies,
    )


def digest_of(key: str) -> bytes:
    """The digest under which a key is stored."""
    return hashlib.sha256(key.encode()).digest()
