"""Google's Gemini API, and the Gemini models of Vertex AI: the same paths below another address, with another key."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.upstream import PASSTHROUGH, Provider, ProviderSettings, Quirks, Target
from switchgear.providers.endpoint import Endpoint, Header
from switchgear.providers.kind import Environment, Kind

BASE_URL: Final = "https://generativelanguage.googleapis.com/v1beta"
_VERSION: Final = "/v1beta"
_COLLECTIONS: Final = ("models/", "tunedModels/")
_EVENTS: Final = "alt=sse"

Methods = Mapping[str, tuple[str, str]]

_GENERATE: Final[Methods] = {"chat": (":generateContent", "gemini")}
_ALL: Final[Methods] = {
    **_GENERATE,
    "count_tokens": (":countTokens", "gemini_count_tokens"),
    "embeddings": (":batchEmbedContents", "gemini_embeddings"),
}
_EMBED_ONE: Final = (":embedContent", "gemini_embed_content")


class Offer(Struct, frozen=True, kw_only=True):
    """How one of Google's two services differs from the other."""

    methods: Methods
    key_header: str
    key_prefix: str = ""
    base_url: str | None = None
    """None: the address holds a project and a region, which the settings must say."""


GEMINI: Final = Offer(methods=_ALL, key_header="x-goog-api-key", base_url=BASE_URL)
VERTEX: Final = Offer(methods=_GENERATE, key_header="authorization", key_prefix="Bearer ")


class Gemini:
    """The model's name travels in the path. Raises ConfigError when the settings cannot be used."""

    __slots__ = ("_endpoint", "_methods", "forwards", "name", "quirks")

    def __init__(self, offer: Offer, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks()
        self.forwards = False
        key = settings.api_key
        own: tuple[Header, ...] = () if key is None else ((offer.key_header, f"{offer.key_prefix}{key}"),)
        endpoint = Endpoint.read(settings, offer.base_url, own)
        self._endpoint = endpoint if endpoint.prefix else replace(endpoint, prefix=_VERSION)
        self._methods = offer.methods

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """Always in Gemini's dialects; None also for a name that would climb out of the models' part of the path."""
        if operation == PASSTHROUGH:
            return self._endpoint.root("gemini")
        method = self._methods.get(operation)
        if method is None or not {".", ".."}.isdisjoint(model.split("/")):
            return None
        verb, spoken = _EMBED_ONE if dialect == _EMBED_ONE[1] else method
        name = model if model.startswith(_COLLECTIONS) else f"models/{model}"
        place = f"/{quote(name, safe='/')}"
        target = self._endpoint.post(f"{place}{verb}", spoken)
        if operation != "chat":
            return target
        stream = self._endpoint.post(f"{place}:streamGenerateContent", spoken).path
        return replace(target, stream_path=f"{stream}{'&' if '?' in stream else '?'}{_EVENTS}")

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """None: Google's API knows no header that would change an answer."""
        return ()


def gemini_url(value: str) -> str:
    """The base URL behind ``GOOGLE_GEMINI_BASE_URL``, which Google's SDKs read without the version."""
    root = value.rstrip("/")
    return root if root.rpartition("/")[2].startswith("v1") else f"{root}{_VERSION}"


KINDS: Final = (
    Kind(
        name="gemini",
        build=partial(Gemini, GEMINI),
        base_url=BASE_URL,
        environment=Environment(
            key="GEMINI_API_KEY", other_key="GOOGLE_API_KEY", url="GOOGLE_GEMINI_BASE_URL", read_url=gemini_url
        ),
    ),
    Kind(name="vertex", build=partial(Gemini, VERTEX)),
)

if TYPE_CHECKING:
    _: type[Provider] = Gemini
