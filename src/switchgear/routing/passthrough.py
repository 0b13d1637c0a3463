"""Calls that are not translated: which provider answers them, as one snapshot knows it."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.errors import BadRequest, NotFound, NotOffered
from switchgear.kernel.upstream import PASSTHROUGH, Target
from switchgear.routing.budget import Budget
from switchgear.routing.deployment import Connected, Deployment
from switchgear.routing.mounts import Mount
from switchgear.routing.policy import Retries

PROVIDER_HEADER: Final = "x-switchgear-provider"
_OPENAI: Final = "openai_chat"
_SHOWN: Final = 100


class Way(Struct, frozen=True, kw_only=True):
    """The way to a provider whose API can be called as it is."""

    connected: Connected
    root: Target
    """Of the operation ``passthrough``."""
    also_up: tuple[str, ...] = ()
    """Headers of the client that go up beside the usual ones; in lower case."""
    also_down: frozenset[bytes] = frozenset()
    """Headers of the upstream that come down beside the usual ones; in lower case."""
    budget: Budget | None = None
    """What may be tried again at the provider."""

    @property
    def name(self) -> str:
        """The provider's."""
        return self.connected.provider.name

    @property
    def speaks_openai(self) -> bool:
        """Whether its API is OpenAI's."""
        return self.root.dialect == _OPENAI


class SessionLimits(Struct, frozen=True, kw_only=True):
    """How long a WebSocket may be open, and how long nothing may move on it."""

    idle_seconds: float = 300.0
    total_seconds: float = 3600.0


class PassThrough(Struct, frozen=True, kw_only=True):
    """Who answers what is passed through."""

    ways: Mapping[str, Way]
    """By the provider's name."""
    usual: str
    """Who answers calls that name neither a model nor a provider; empty where several could."""
    opened: frozenset[str]
    """Providers that may be called below ``/passthrough/``."""
    mounts: tuple[Mount, ...]
    """The most particular path first."""
    sessions: SessionLimits = SessionLimits()
    retries: Retries = Retries()

    def speaking_openai(self, provider: str) -> Way:
        """The way to a provider of OpenAI's API; the usual one for an empty name.

        Raises BadRequest, or NotOffered where the provider speaks another API.
        """
        named = provider or self.usual
        if not named:
            names = ", ".join(sorted(name for name, way in self.ways.items() if way.speaks_openai))
            raise BadRequest(
                f"the call names neither a model nor a provider, and several could answer it ({names or 'none'}); "
                f"send the header {PROVIDER_HEADER} or ?provider=, or configure passthrough_provider"
            )
        way = self.ways.get(named)
        if way is None or not way.speaks_openai:
            raise NotOffered(f"there is no provider {named[:_SHOWN]!r} here that speaks OpenAI's API")
        return way

    def leading_to(self, deployment: Deployment) -> Way:
        """The way to a deployment, under its own key of its provider. Raises NotOffered."""
        way = self.speaking_openai(deployment.provider_name)
        connected = deployment.connected
        root = None if connected is way.connected else connected.provider.target(PASSTHROUGH, _OPENAI, "")
        return way if root is None else replace(way, connected=connected, root=root)

    def open_to(self, provider: str) -> Way:
        """The way to a provider that the configuration opens. Raises NotFound."""
        way = self.ways.get(provider) if provider in self.opened else None
        if way is None:
            raise NotFound(
                f"the provider {provider[:_SHOWN]!r} is not passed through here; "
                "`passthrough: true` under the provider would open it"
            )
        return way

    def mounted(self, path: str) -> Iterator[tuple[Mount, str]]:
        """The declarations that a path fits, each with the path below its provider's address."""
        for mount in self.mounts:
            leads_to = mount.leads_to(path) if mount.provider in self.ways else None
            if leads_to is not None:
                yield mount, leads_to
