"""From configuration to snapshot: keys become a ring, providers and models a route table."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from switchgear.app.capture import capture_rules
from switchgear.app.catalogue import Catalogue
from switchgear.app.installed import Installed
from switchgear.app.keys import ring_of
from switchgear.app.limits import planner
from switchgear.app.passthrough import pass_through
from switchgear.app.prices import PriceBook
from switchgear.app.queues import queues
from switchgear.app.routes import Grounds, route_table
from switchgear.app.transports import Fallbacks
from switchgear.auth.model import KeyRing
from switchgear.config.model import Config, ProviderEntry
from switchgear.doors.compatibility import Understood
from switchgear.doors.listing import Catalogued
from switchgear.kernel.call import Snapshot
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import ConfigError, ModelNotFound
from switchgear.kernel.upstream import Provider, Transport
from switchgear.limits.plan import Planner
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.providers.simulator.provider import SCHEME
from switchgear.routing.deployment import Connected
from switchgear.routing.fleet import Fleet
from switchgear.routing.model import RouteTable
from switchgear.routing.passthrough import PassThrough
from switchgear.routing.queues import Queues
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.sse import event

OPENAI_END_MARK = event(b"[DONE]")


class Outside(Struct, frozen=True, kw_only=True):
    """How the data plane reaches the world, made once for the life of a process."""

    installed: Installed
    dialects: Mapping[str, Dialect]
    http: Transport
    simulator: Transport
    fallbacks: Fallbacks
    fleet: Fleet
    """What is known of deployments, whatever the configuration."""


def build_snapshot(config: Config, version: str, outside: Outside) -> Snapshot:
    """One immutable version of all that the data plane needs to know.

    Raises ConfigError when a provider's settings or a table of prices cannot be used.
    """
    lanes = _lanes(config, outside)
    prices = PriceBook(config, outside.installed.prices)
    catalogue = Catalogue(config, outside.installed.capabilities)
    grounds = Grounds(lanes=lanes, fleet=outside.fleet, prices=prices, catalogue=catalogue)
    table = route_table(config, grounds, _simulated(lanes, outside))
    understood = Understood(
        litellm_headers=config.compatibility.litellm_headers, litellm_body=config.compatibility.litellm_body
    )
    parts: dict[type, object] = {
        KeyRing: ring_of(config),
        RouteTable: table,
        Understood: understood,
        Catalogued: Catalogued(find=catalogue.listed),
        PassThrough: pass_through(config, lanes, outside.fleet),
        Queues: queues(config, lanes, table),
    }
    limited = planner(config, table, catalogue)
    if limited is not None:
        parts[Planner] = limited
    is_limited = limited is not None
    return Snapshot(prices.marked(version), parts, is_limited=is_limited, capture=capture_rules(config))


def _lanes(config: Config, outside: Outside) -> dict[str, tuple[Connected, ...]]:
    """Every provider, once for each of its keys."""
    return {name: tuple(_under_each_key(name, entry, outside)) for name, entry in config.providers.items()}


def _under_each_key(name: str, entry: ProviderEntry, outside: Outside) -> Iterator[Connected]:
    build = outside.installed.kinds[entry.kind].build
    if len(entry.api_keys) <= 1:
        yield _connect(build(entry.settings(name)), entry, outside, 0)
        return
    for number, key in enumerate(entry.api_keys, 1):
        yield _connect(build(entry.settings(name, key)), entry, outside, number)


def _simulated(lanes: Mapping[str, tuple[Connected, ...]], outside: Outside) -> list[str]:
    """The names of the simulator's models, which are listed although nobody declared them."""
    simulators = [name for name, connected in lanes.items() if connected[0].transport is outside.simulator]
    return [f"{provider}/{model.name}" for provider in simulators for model in MODELS]


def _connect(provider: Provider, entry: ProviderEntry, outside: Outside, key_number: int) -> Connected:
    return Connected(
        provider=provider,
        transport=_transport(provider, entry, outside),
        dialects=lambda name, provider: _tuned(outside.dialects, name, provider),
        missing_end_mark=OPENAI_END_MARK if provider.quirks.done_optional else b"",
        key_number=key_number,
        drop=entry.drop,
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
