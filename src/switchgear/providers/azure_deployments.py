"""Azure OpenAI's older API: a path for each deployment, and a dated version in the query."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec.structs import replace

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Provider, ProviderSettings, Quirks, Target
from switchgear.providers.endpoint import Endpoint, Header
from switchgear.providers.kind import Kind

DEFAULT_API_VERSION: Final = "2024-10-21"
"""The last dated version that is generally available; after it comes ``/openai/v1``, the kind ``azure_openai``
(learn.microsoft.com/azure/ai-services/openai/reference)."""
_OPERATIONS: Final = {
    "chat": ("/chat/completions", "openai_chat"),
    "completions": ("/completions", "openai_completions"),
    "embeddings": ("/embeddings", "openai_embeddings"),
}
_OPTIONS: Final = ("api_version", "auth", "deployments")
_AUTHENTICATIONS: Final = ("api-key", "bearer")


class AzureDeployments:
    """A resource of Azure OpenAI at ``base_url``; a model is the name of a deployment, or the map leads to one.

    Options: ``api_version``; ``auth``, ``bearer`` where the key is a token of Entra ID; ``deployments``, a list such
    as ``gpt-4o=prod-4o, gpt-4o-mini=small``. Raises ConfigError when the settings cannot be used.
    """

    __slots__ = ("_deployments", "_endpoint", "forwards", "name", "quirks")

    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks()
        self.forwards = False
        _check_options(settings)
        version = settings.options.get("api_version") or DEFAULT_API_VERSION
        settings = replace(settings, query={"api-version": version, **settings.query})
        endpoint = Endpoint.read(settings, None, _authentication(settings))
        self._endpoint = replace(endpoint, prefix=endpoint.prefix.removesuffix("/openai"))
        self._deployments = _deployments(settings)

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """Always in OpenAI's dialects, at the deployment's own path."""
        offered = _OPERATIONS.get(operation)
        if offered is None:
            return None
        path, spoken = offered
        deployment = quote(self._deployments.get(model, model), safe="")
        return self._endpoint.post(f"/openai/deployments/{deployment}{path}", spoken)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """None of the client's."""
        return ()


def _check_options(settings: ProviderSettings) -> None:
    where = f"providers.{settings.name}.options"
    for option in settings.options:
        if option not in _OPTIONS:
            raise ConfigError(f"{where}.{option}: there is no such option; {', '.join(_OPTIONS)} are known")
    auth = settings.options.get("auth", _AUTHENTICATIONS[0])
    if auth not in _AUTHENTICATIONS:
        raise ConfigError(f"{where}.auth: {auth!r} is none of {', '.join(_AUTHENTICATIONS)}")


def _authentication(settings: ProviderSettings) -> tuple[Header, ...]:
    if settings.api_key is None:
        return ()
    if settings.options.get("auth") == "bearer":
        return (("authorization", f"Bearer {settings.api_key}"),)
    return (("api-key", settings.api_key),)


def _deployments(settings: ProviderSettings) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in settings.options.get("deployments", "").split(","):
        if not entry.strip():
            continue
        model, equals, deployment = (part.strip() for part in entry.partition("="))
        if not (model and equals and deployment):
            where = f"providers.{settings.name}.options.deployments"
            raise ConfigError(f"{where}: {entry.strip()!r} is not of the form model=deployment")
        found[model] = deployment
    return found


KINDS: Final = (Kind(name="azure_openai_deployments", build=AzureDeployments),)

if TYPE_CHECKING:
    _: type[Provider] = AzureDeployments
