"""From the declared keys of a configuration to the ring that the Authenticate stage reads."""

from switchgear.auth.address import read_ranges
from switchgear.auth.model import KeyRing, VirtualKey, key_ring
from switchgear.config.identity import Key, moment_ns
from switchgear.config.model import Config
from switchgear.config.ownership import ownership


def ring_of(config: Config) -> KeyRing:
    """The ring of one checked configuration; without keys, callers on this machine need none."""
    return key_ring(
        [_virtual(config, key) for key in config.keys],
        allow_anonymous_loopback=not config.keys,
        trusted_proxies=read_ranges(config.server.trusted_proxies),
    )


def _virtual(config: Config, key: Key) -> VirtualKey:
    owner = ownership(config, key)
    return VirtualKey(
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
