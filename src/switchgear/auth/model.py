"""Virtual keys as the data plane sees them: digests in an immutable ring, never the keys themselves."""

import hashlib
from collections.abc import Iterable, Mapping

from msgspec import Struct

from switchgear.auth.address import Ranges
from switchgear.kernel.call import Caller, model_allowed

__all__ = ["KeyRing", "VirtualKey", "digest_of", "key_ring", "model_allowed"]


class VirtualKey(Struct, frozen=True, kw_only=True):
    """One key: the digest of its text, and what it may do.

    The keys are 192 random bits, so a fast digest is as hard to reverse as a slow one. While a key is rotated there are
    two of the same name.
    """

    name: str
    digest: bytes
    lookup: bytes = b""
    """Of a key that the control database keeps: what finds it, and ``digest`` is then the keyed hash."""
    models: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    """Empty: all but reading back traces, which wants to be named."""
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
    managed: Mapping[bytes, tuple[VirtualKey, Caller]] = {}
    """Those that the control database keeps, by lookup prefix."""
    hashing_key: bytes = bytes(32)
    trusted_proxies: Ranges = ()


def key_ring(
    keys: Iterable[VirtualKey],
    *,
    allow_anonymous_loopback: bool,
    hashing_key: bytes = bytes(32),
    trusted_proxies: Ranges = (),
) -> KeyRing:
    """A ring of ``keys``."""
    found = [(key, key.caller()) for key in keys]
    return KeyRing(
        callers={key.digest: (key, caller) for key, caller in found if not key.lookup},
        allows_anonymous_loopback=allow_anonymous_loopback,
        managed={key.lookup: (key, caller) for key, caller in found if key.lookup},
        hashing_key=hashing_key,
        trusted_proxies=trusted_proxies,
    )


def digest_of(key: str) -> bytes:
    """The digest under which a key is stored."""
    return hashlib.sha256(key.encode()).digest()
