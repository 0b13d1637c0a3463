"""Every vendor and server that speaks OpenAI's API; which ones, and their quirks, is data in ``presets.py``."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import PASSTHROUGH, Provider, ProviderSettings, Quirks, Target
from switchgear.providers.endpoint import Endpoint, Header
from switchgear.providers.kind import Environment, Kind
from switchgear.providers.presets import PRESETS, Preset, Responses

_OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "chat": ("/chat/completions", "openai_chat"),
    "completions": ("/completions", "openai_completions"),
    "embeddings": ("/embeddings", "openai_embeddings"),
    "rerank": ("/rerank", "jina_rerank"),
}
_RESPONSES: Final = "openai_responses"
_INPUT_TOKENS: Final = "openai_responses_input_tokens"
_OPTION: Final = "responses"


class OpenAICompatible:
    """One vendor or server that speaks OpenAI's API below its base URL.

    The option ``responses`` says whether it has the Responses API, where it is other than its kind usually is.

    Raises ConfigError when the settings cannot be used.
    """

    __slots__ = ("_forwards", "_own", "_targets", "forwards", "name", "quirks")

    def __init__(self, preset: Preset, settings: ProviderSettings) -> None:
        self.name = settings.name
        responses = _responses(preset, settings)
        self.quirks = Quirks(
            output_limit_field=preset.output_limit_field,
            done_optional=preset.done_optional,
            keeps_responses=responses == "kept",
        )
        endpoint = Endpoint.read(settings, preset.base_url, _authentication(preset, settings.api_key))
        self._targets = {operation: endpoint.post(*_OPERATIONS[operation]) for operation in preset.operations}
        self._targets[PASSTHROUGH] = endpoint.root("openai_chat")
        self._own: dict[tuple[str, str], Target] = {}
        if responses != "none":
            self._own["chat", _RESPONSES] = endpoint.post("/responses", _RESPONSES)
        if responses != "none" and preset.counts_tokens:
            self._own["count_tokens", _INPUT_TOKENS] = endpoint.post("/responses/input_tokens", _INPUT_TOKENS)
        pinned = {header for header, _ in endpoint.headers}
        self._forwards = tuple(header for header in preset.forwards if header not in pinned)
        self.forwards = bool(self._forwards)

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """In OpenAI's dialects, and Jina's for reranking.

        The Responses API is for its own clients; all others go on to chat completions.
        """
        return self._own.get((operation, dialect)) or self._targets.get(operation)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        sent = ((name, headers.get(name.encode())) for name in self._forwards)
        return tuple((name, value.decode("latin-1")) for name, value in sent if value is not None)


def _responses(preset: Preset, settings: ProviderSettings) -> Responses:
    match settings.options.get(_OPTION, preset.responses):
        case "none" | "stateless" | "kept" as said:
            return said
        case _:
            raise ConfigError(f"providers.{settings.name}.options.{_OPTION}: must be none, stateless or kept")


def _authentication(preset: Preset, api_key: str | None) -> tuple[Header, ...]:
    if api_key is None:
        return ()
    return ((preset.key_header, f"{preset.key_prefix}{api_key}"),)


def _kind(preset: Preset) -> Kind:
    found_by = None
    if preset.key_variable or preset.url_variable:
        found_by = Environment(
            key=preset.key_variable,
            url=preset.url_variable,
            read_url=preset.read_url,
            needs_both=preset.needs_both,
        )
    build = partial(OpenAICompatible, preset)
    return Kind(name=preset.name, build=build, base_url=preset.base_url, environment=found_by)


KINDS: Final = tuple(_kind(preset) for preset in PRESETS)

if TYPE_CHECKING:
    _: type[Provider] = OpenAICompatible
