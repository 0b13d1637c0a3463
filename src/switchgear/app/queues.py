"""From configuration to the servers that are asked for their queues."""

from msgspec import structs

from switchgear.app.routes import Lanes
from switchgear.config.model import Config
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import PASSTHROUGH, Target
from switchgear.routing.deployment import Connected
from switchgear.routing.health import Health
from switchgear.routing.model import RouteTable
from switchgear.routing.queues import Queues, QueueSource


def queues(config: Config, lanes: Lanes, table: RouteTable) -> Queues:
    """The part of a snapshot that says whom to ask: providers with ``queue_metrics`` that some alias uses."""
    healths: dict[str, dict[str, Health]] = {}
    for alias in table.aliases.values():
        for deployment in alias.deployments:
            healths.setdefault(deployment.provider_name, {})[deployment.health.name] = deployment.health
    return Queues(
        sources=tuple(
            QueueSource(
                provider=name,
                target=_target(lanes[name][0], entry.queue_metrics),
                transport=lanes[name][0].transport,
                healths=tuple(healths[name].values()),
            )
            for name, entry in config.providers.items()
            if entry.queue_metrics is not None and name in healths
        )
    )


def _target(connected: Connected, path: str) -> Target:
    """``path`` at the server, whatever its API stands below; with the provider's headers, for some want their key."""
    root = connected.provider.target(PASSTHROUGH, "openai_chat", "")
    if root is None:
        raise ConfigError(f"providers.{connected.provider.name}.queue_metrics: this kind has no server to ask")
    return structs.replace(root, method="GET", path=path)
