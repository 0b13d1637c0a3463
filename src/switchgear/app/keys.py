"""From the declared keys of a configuration to the ring that the Authenticate stage reads."""

from collections.abc import Iterator

from msgspec import structs

from switchgear.auth.address import read_ranges
from switchgear.auth.model import KeyRing, VirtualKey, key_ring
from switchgear.config.effective import Effective
from switchgear.config.feed import ManagedKey
from switchgear.config.identity import Key, moment_ns
from switchgear.config.model import Config
from switchgear.config.ownership import ownership


def ring_of(config: Config) -> KeyRing:
    """The ring of one checked configuration; without keys, callers on this machine need none unless ``require_key``."""
    hashing_key = config.hashing_key if isinstance(config, Effective) else None
    return key_ring(
        [virtual for key in config.keys for virtual in _virtual(config, key)],
        allow_anonymous_loopback=not config.keys and not config.server.require_key,
        hashing_key=bytes(32) if hashing_key is None else bytes.fromhex(hashing_key.reveal()),
        trusted_proxies=read_ranges(config.server.trusted_proxies),
    )


def _virtual(config: Config, key: Key) -> Iterator[VirtualKey]:
    """One for each text that works: a managed key has two of them while it is rotated."""
    owner = ownership(config, key)
    plain = VirtualKey(
        name=key.name,
        digest=key.digest(),
        models=key.models,
        doors=key.doors,
        ip_ranges=read_ranges(key.ip_ranges),
        expires_ns=0 if key.expires_at is None else moment_ns(key.expires_at),
        disabled=key.disabled or owner.disabled,
        organisation=owner.organisation,
        project=owner.project,
        team=owner.team,
        user=owner.user,
        tags=key.tags,
    )
    if not isinstance(key, ManagedKey):
        yield plain
        return
    for one in key.hashes:
        ends = [plain.expires_ns] if plain.expires_ns else []
        if one.until is not None:
            ends.append(moment_ns(one.until))
        yield structs.replace(
            plain, lookup=one.lookup.encode(), digest=bytes.fromhex(one.hash), expires_ns=min(ends, default=0)
        )
