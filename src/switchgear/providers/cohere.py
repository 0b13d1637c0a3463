"""Cohere's API, second version."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from switchgear.kernel.upstream import PASSTHROUGH, Provider, ProviderSettings, Quirks, Target
from switchgear.providers.endpoint import Endpoint, Header
from switchgear.providers.kind import Environment, Kind

BASE_URL: Final = "https://api.cohere.com"
_CLIENT_NAME: Final = "x-client-name"


class Cohere:
    """Cohere, or whoever speaks its API below ``base_url`` (with or without ``/v2``).

    Raises ConfigError when the settings cannot be used.
    """

    __slots__ = ("_targets", "forwards", "name", "quirks")

    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks()
        key: tuple[Header, ...] = ()
        if settings.api_key is not None:
            key = (("authorization", f"Bearer {settings.api_key}"),)
        endpoint = Endpoint.read(settings, BASE_URL, key)
        endpoint = replace(endpoint, prefix=endpoint.prefix.removesuffix("/v2").removesuffix("/v1"))
        self.forwards = _CLIENT_NAME not in {header for header, _ in endpoint.headers}
        self._targets = {
            "chat": endpoint.post("/v2/chat", "cohere_chat"),
            "embeddings": endpoint.post("/v2/embed", "cohere_embed"),
            "rerank": endpoint.post("/v2/rerank", "cohere_rerank"),
            PASSTHROUGH: endpoint.root("cohere_chat"),
        }

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """Always in Cohere's dialects; the model's name travels in the body."""
        return self._targets.get(operation)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """The name by which the client's project makes itself known to Cohere."""
        name = headers.get(_CLIENT_NAME.encode()) if self.forwards else None
        return ((_CLIENT_NAME, name.decode("latin-1")),) if name else ()


KINDS: Final = (
    Kind(
        name="cohere",
        build=Cohere,
        base_url=BASE_URL,
        environment=Environment(key="CO_API_KEY", url="CO_API_URL"),
    ),
)

if TYPE_CHECKING:
    _: type[Provider] = Cohere
