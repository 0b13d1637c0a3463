"""From configuration to snapshot: keys become a ring, providers and models a route table."""

from collections.abc import Mapping

from msgspec import Struct

from switchgear.app.transports import Fallbacks
from switchgear.auth.model import KeyRing, VirtualKey, key_ring
from switchgear.config.model import Config, DeploymentEntry, ProviderEntry
from switchgear.kernel.call import Snapshot
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import ConfigError, ModelNotFound
from switchgear.kernel.upstream import Provider, Timers, Transport
from switchgear.providers.kind import Kind
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.providers.simulator.provider import SCHEME
from switchgear.routing.model import Connected, Deployment, RouteTable
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.sse import event

OPENAI_END_MARK = event(b"[DONE]")


class Outside(Struct, frozen=True, kw_only=True):
    """How the data plane reaches the world, made once for the life of a process."""

    kinds: Mapping[str, Kind]
    dialects: Mapping[str, Dialect]
    http: Transport
    simulator: Transport
    fallbacks: Fallbacks


def build_snapshot(config: Config, version: str, outside: Outside) -> Snapshot:
    """One immutable version of all that the data plane needs to know.

    Raises ConfigError when a provider's settings cannot be used.
    """
    keys = [
        VirtualKey(name=key.name, digest=key.digest(), models=key.models, disabled=key.disabled) for key in config.keys
    ]
    ring = key_ring(keys, allow_anonymous_loopback=not keys)
    return Snapshot(version, {KeyRing: ring, RouteTable: _route_table(config, outside)})


def _route_table(config: Config, outside: Outside) -> RouteTable:
    providers = {
        name: _connect(outside.kinds[entry.kind].build(entry.settings(name)), entry, outside)
        for name, entry in config.providers.items()
    }
    aliases = {
        name: tuple(_deployment(deployment, providers) for deployment in entry.deployments)
        for name, entry in config.models.items()
    }
    simulators = [name for name, connected in providers.items() if connected.transport is outside.simulator]
    listed = [f"{provider}/{model.name}" for provider in simulators for model in MODELS]
    return RouteTable(aliases, providers, listed=listed, timers=Timers())


def _deployment(entry: DeploymentEntry, providers: Mapping[str, Connected]) -> Deployment:
    connected = providers[entry.provider]
    return Deployment(
        connected, entry.upstream_model, weight=entry.weight, timers=entry.timers.timers(), drop=entry.drop
    )


def _connect(provider: Provider, entry: ProviderEntry, outside: Outside) -> Connected:
    return Connected(
        provider=provider,
        transport=_transport(provider, entry, outside),
        dialects=lambda name, provider: _tuned(outside.dialects, name, provider),
        missing_end_mark=OPENAI_END_MARK if provider.quirks.done_optional else b"",
    )


def _transport(provider: Provider, entry: ProviderEntry, outside: Outside) -> Transport:
    probe = provider.target("chat", "openai_chat", "any")
    if probe is not None and probe.origin.scheme == SCHEME:
        return outside.simulator
    if entry.transport == "native":
        if entry.proxy is not None:
            raise ConfigError(f"providers.{provider.name}.proxy: a proxy needs `transport: aiohttp`")
        return outside.http
    return outside.fallbacks.through(None if entry.proxy is None else entry.proxy.reveal())


def _tuned(dialects: Mapping[str, Dialect], name: str, provider: Provider) -> Dialect:
    if name == OpenAIChat.name:
        return OpenAIChat(output_limit_field=provider.quirks.output_limit_field)
    spoken = dialects.get(name)
    if spoken is None:
        raise ModelNotFound(
            f"there is no dialect {name[:100]!r}; {', '.join(sorted(dialects))} are spoken", param="model"
        )
    return spoken
