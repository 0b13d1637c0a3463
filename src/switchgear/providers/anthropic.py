"""Anthropic's Messages API."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from switchgear.kernel.upstream import PASSTHROUGH, Provider, ProviderSettings, Quirks, Target
from switchgear.providers.endpoint import Endpoint, Header
from switchgear.providers.kind import Environment, Kind

BASE_URL: Final = "https://api.anthropic.com"
DEFAULT_VERSION: Final = "2023-06-01"
_VERSION: Final = "anthropic-version"
_BETA: Final = "anthropic-beta"


class Anthropic:
    """Anthropic, or whoever speaks its API below ``base_url`` (with or without ``/v1``).

    Raises ConfigError when the settings cannot be used.
    """

    __slots__ = ("_pinned", "_targets", "forwards", "name", "quirks")

    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks(begins_answers=True)
        self.forwards = True
        key: tuple[Header, ...] = (("x-api-key", settings.api_key),) if settings.api_key is not None else ()
        endpoint = Endpoint.read(settings, BASE_URL, key)
        endpoint = replace(endpoint, prefix=endpoint.prefix.removesuffix("/v1"))
        self._pinned = frozenset(header for header, _ in endpoint.headers)
        self._targets = {
            "chat": endpoint.post("/v1/messages", "anthropic"),
            "count_tokens": endpoint.post("/v1/messages/count_tokens", "anthropic_count_tokens"),
            PASSTHROUGH: endpoint.root("anthropic"),
        }

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """Always in Anthropic's dialect; the model's name travels in the body."""
        return self._targets.get(operation)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """The client's version, or ours, and its betas; the target holds no version, so that only one goes out."""
        forwarded: list[Header] = []
        if _VERSION not in self._pinned:
            version = headers.get(_VERSION.encode())
            forwarded.append((_VERSION, version.decode("latin-1") if version else DEFAULT_VERSION))
        beta = headers.get(_BETA.encode())
        if beta and _BETA not in self._pinned:
            forwarded.append((_BETA, beta.decode("latin-1")))
        return tuple(forwarded)


KINDS: Final = (
    Kind(
        name="anthropic",
        build=Anthropic,
        base_url=BASE_URL,
        environment=Environment(key="ANTHROPIC_API_KEY", url="ANTHROPIC_BASE_URL"),
    ),
)

if TYPE_CHECKING:
    _: type[Provider] = Anthropic
