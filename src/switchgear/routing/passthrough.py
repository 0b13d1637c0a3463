"""Calls that are not translated: which provider answers them, as one snapshot knows it."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import BadRequest, NotFound, NotOffered
from switchgear.kernel.upstream import Target
from switchgear.routing.deployment import Connected

PROVIDER_HEADER: Final = "x-switchgear-provider"
_OPENAI: Final = "openai_chat"
_SHOWN: Final = 100


class Way(Struct, frozen=True, kw_only=True):
    """The way to a provider whose API can be called as it is."""

    connected: Connected
    root: Target
    """Of the operation ``passthrough``."""

    @property
    def name(self) -> str:
        """The provider's."""
        return self.connected.provider.name

    @property
    def speaks_openai(self) -> bool:
        """Whether its API is OpenAI's."""
        return self.root.dialect == _OPENAI


class Mount(Struct, frozen=True, kw_only=True):
    """Paths of the gateway's own that lead to a provider."""

    path: str
    provider: str
    upstream_path: str


class PassThrough(Struct, frozen=True, kw_only=True):
    """Who answers what is passed through."""

    ways: Mapping[str, Way]
    """By the provider's name."""
    usual: str
    """Who answers calls that name neither a model nor a provider; empty where several could."""
    opened: frozenset[str]
    """Providers that may be called below ``/passthrough/``."""
    mounts: tuple[Mount, ...]
    """The longest path first."""

    def speaking_openai(self, provider: str) -> Way:
        """The way to a provider of OpenAI's API; the usual one for an empty name.

        Raises BadRequest, or NotOffered where the provider speaks another API.
        """
        named = provider or self.usual
        if not named:
            names = ", ".join(sorted(name for name, way in self.ways.items() if way.speaks_openai))
            raise BadRequest(
                f"the call names neither a model nor a provider, and several could answer it ({names or 'none'}); "
                f"send the header {PROVIDER_HEADER}, or configure passthrough_provider"
            )
        way = self.ways.get(named)
        if way is None or not way.speaks_openai:
            raise NotOffered(f"there is no provider {named[:_SHOWN]!r} here that speaks OpenAI's API")
        return way

    def open_to(self, provider: str) -> Way:
        """The way to a provider that the configuration opens. Raises NotFound."""
        way = self.ways.get(provider) if provider in self.opened else None
        if way is None:
            raise NotFound(
                f"the provider {provider[:_SHOWN]!r} is not passed through here; "
                "`passthrough: true` under the provider would open it"
            )
        return way

    def mounted(self, path: str) -> tuple[Way, str] | None:
        """The way that a declared path leads, and the path below that provider's address."""
        for mount in self.mounts:
            if path.startswith(mount.path) and mount.provider in self.ways:
                return self.ways[mount.provider], mount.upstream_path + path[len(mount.path) :]
        return None
