"""From configuration to snapshot: keys become a ring, providers and models a route table."""

from collections.abc import Mapping

from msgspec import Struct

from switchgear.auth.model import KeyRing, VirtualKey, key_ring
from switchgear.config.model import Config, DeploymentEntry
from switchgear.kernel.call import Snapshot
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import ModelNotFound
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
        name: _connect(outside.kinds[entry.kind].build(entry.settings(name)), outside)
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
    return Deployment(connected, entry.upstream_model, weight=entry.weight, timers=entry.timers.timers())


def _connect(provider: Provider, outside: Outside) -> Connected:
    probe = provider.target("chat", "openai_chat", "any")
    simulated = probe is not None and probe.origin.scheme == SCHEME
    return Connected(
        provider=provider,
        transport=outside.simulator if simulated else outside.http,
        dialects=lambda name, provider: _tuned(outside.dialects, name, provider),
        missing_end_mark=OPENAI_END_MARK if provider.quirks.done_optional else b"",
    )


def _tuned(dialects: Mapping[str, Dialect], name: str, provider: Provider) -> Dialect:
    if name == OpenAIChat.name:
        return OpenAIChat(output_limit_field=provider.quirks.output_limit_field)
    spoken = dialects.get(name)
    if spoken is None:
        raise ModelNotFound(
            f"there is no dialect {name[:100]!r}; {', '.join(sorted(dialects))} are spoken", param="model"
        )
    return spoken
