"""From configuration to what is passed through, and to whom."""

from collections.abc import Iterable

from msgspec import structs

from switchgear.app.routes import Lanes
from switchgear.config.model import Config, ProviderEntry
from switchgear.providers.simulator.provider import SCHEME
from switchgear.routing.budget import Budget
from switchgear.routing.deployment import Connected
from switchgear.routing.fleet import Fleet
from switchgear.routing.mounts import STAR, mount
from switchgear.routing.passthrough import PassThrough, SessionLimits, Way
from switchgear.routing.policy import Retries


def pass_through(config: Config, lanes: Lanes, fleet: Fleet) -> PassThrough:
    """The part of a snapshot that says who answers calls that are not translated."""
    entries = config.providers
    retries = config.routing.retries
    budgets = {name: fleet.budget(name, retries.budget) for name in lanes}
    found = ((name, _way(connected, entries[name], budgets[name])) for name, connected in lanes.items())
    ways = {name: way for name, way in found if way is not None}
    mounts = [
        mount(entry.path, entry.provider, entry.upstream_path, entry.methods, websocket=entry.websocket)
        for entry in config.passthrough
    ]
    return PassThrough(
        ways=ways,
        usual=config.passthrough_provider or _only(ways.values()),
        opened=frozenset(name for name, entry in config.providers.items() if entry.passthrough),
        sessions=SessionLimits(
            idle_seconds=config.server.session_idle_seconds, total_seconds=config.server.session_seconds
        ),
        retries=Retries(**structs.asdict(retries)),
        mounts=tuple(sorted(mounts, key=lambda each: -len(each.path.replace(STAR, "")))),
    )


def _way(connected: Iterable[Connected], entry: ProviderEntry, budget: Budget) -> Way | None:
    """The way to a provider, under the first of its keys."""
    first = next(iter(connected))
    root = first.provider.target("passthrough", "openai_chat", "")
    if root is None:
        return None
    return Way(
        budget=budget,
        connected=first,
        root=root,
        also_up=tuple(name.lower() for name in entry.passthrough_request_headers),
        also_down=frozenset(name.lower().encode() for name in entry.passthrough_response_headers),
    )


def _only(ways: Iterable[Way]) -> str:
    """The only provider that speaks OpenAI's API; the simulator counts when nobody else does."""
    speaking = [way for way in ways if way.speaks_openai]
    real = [way for way in speaking if way.root.origin.scheme != SCHEME]
    found = real or speaking
    return found[0].name if len(found) == 1 else ""
