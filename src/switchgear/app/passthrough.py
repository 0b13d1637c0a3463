"""From configuration to what is passed through, and to whom."""

from collections.abc import Iterable

from switchgear.app.routes import Lanes
from switchgear.config.model import Config
from switchgear.providers.simulator.provider import SCHEME
from switchgear.routing.deployment import Connected
from switchgear.routing.passthrough import Mount, PassThrough, Way


def pass_through(config: Config, lanes: Lanes) -> PassThrough:
    """The part of a snapshot that says who answers calls that are not translated."""
    ways = {name: way for name, connected in lanes.items() if (way := _way(connected)) is not None}
    mounts = [
        Mount(path=entry.path, provider=entry.provider, upstream_path=entry.upstream_path)
        for entry in config.passthrough
    ]
    return PassThrough(
        ways=ways,
        usual=config.passthrough_provider or _only(ways.values()),
        opened=frozenset(name for name, entry in config.providers.items() if entry.passthrough),
        mounts=tuple(sorted(mounts, key=lambda mount: -len(mount.path))),
    )


def _way(connected: Iterable[Connected]) -> Way | None:
    """The way to a provider, under the first of its keys."""
    first = next(iter(connected))
    root = first.provider.target("passthrough", "openai_chat", "")
    return None if root is None else Way(connected=first, root=root)


def _only(ways: Iterable[Way]) -> str:
    """The only provider that speaks OpenAI's API; the simulator counts when nobody else does."""
    speaking = [way for way in ways if way.speaks_openai]
    real = [way for way in speaking if way.root.origin.scheme != SCHEME]
    found = real or speaking
    return found[0].name if len(found) == 1 else ""
