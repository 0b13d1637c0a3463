"""What a file in this folder offers: a kind of provider, as data and one constructor."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from switchgear.kernel.upstream import Provider, ProviderSettings


def same_url(value: str) -> str:
    """An environment variable that already holds a base URL."""
    return value


class Environment(Struct, frozen=True, kw_only=True):
    """Which environment variables configure a kind when there is no configuration file."""

    key: str | None = None
    """Name of the variable that holds the API key."""
    other_key: str | None = None
    """Another name for it, read when the first variable is not set."""
    url: str | None = None
    """Name of the variable that holds the vendor's address."""
    read_url: Callable[[str], str] = same_url
    """Turns that variable's value into a base URL."""
    needs_both: bool = False
    always: bool = False
    """Present whatever the environment says."""


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of provider: ``providers.<name>.kind`` in the configuration."""

    name: str
    build: Callable[[ProviderSettings], Provider]
    """Raises ConfigError when the settings cannot be used."""
    base_url: str | None = None
    """Used when the settings have none; None: the settings must say it."""
    environment: Environment | None = None
    """None: never configured from the environment."""
    provider_name: str | None = None
    """What a provider found in the environment is called; None: as the kind."""

    def settings_from(self, environ: Mapping[str, str]) -> ProviderSettings | None:
        """The settings that the environment holds for this kind, or None; empty variables count as absent."""
        names = self.environment
        if names is None:
            return None
        keys = (environ.get(name, "").strip() for name in (names.key, names.other_key) if name)
        api_key = next((key for key in keys if key), "")
        url = environ.get(names.url, "").strip() if names.url else ""
        found = (api_key and url) if names.needs_both else (api_key or url)
        if not (found or names.always):
            return None
        base_url = names.read_url(url) if url else self.base_url
        return ProviderSettings(name=self.provider_name or self.name, base_url=base_url, api_key=api_key or None)
