"""Vendors and servers that speak OpenAI's API, as data: addresses, variables, quirks."""

from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from switchgear.kernel.upstream import OutputLimitField
from switchgear.providers.kind import same_url

Operation = Literal["chat", "completions", "embeddings", "rerank"]

ALL: Final[tuple[Operation, ...]] = ("chat", "completions", "embeddings")
WITH_RERANK: Final[tuple[Operation, ...]] = (*ALL, "rerank")

Responses = Literal["none", "stateless", "kept"]
"""Whether there is a Responses API, and whether it remembers its responses (``previous_response_id``).

By the vendors' own references. Servers that turn it into chat completions themselves (Ollama, llama.cpp) or lack much
of it (Groq, DeepSeek) count as having none: what the gateway makes of a request serves every version of them.
"""


class Preset(Struct, frozen=True, kw_only=True):
    """What ``openai_compatible.py`` must know of one vendor or server."""

    name: str
    base_url: str | None
    key_variable: str | None = None
    url_variable: str | None = None
    read_url: Callable[[str], str] = same_url
    needs_both: bool = False
    """Found in the environment only when both variables are set."""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    operations: tuple[Operation, ...] = ALL
    responses: Responses = "none"
    counts_tokens: bool = False
    """Whether the Responses API also counts the tokens of an input."""
    output_limit_field: OutputLimitField = "max_tokens"
    done_optional: bool = False
    forwards: tuple[str, ...] = ()
    """Headers of the client that go on, in lower case."""


def ollama_url(value: str) -> str:
    """The base URL behind ``OLLAMA_HOST``, which is also the address that Ollama's server binds.

    Accepts ``host``, ``host:port``, ``:port`` and full URLs; the address of all interfaces becomes the loopback one.
    """
    has_scheme = "://" in value
    parts = urlsplit(value if has_scheme else f"http://{value}")
    address, _, port = parts.netloc.rpartition(":")
    if not port.isdigit():
        address, port = parts.netloc, ""
    default_port = {"http": "80", "https": "443"}.get(parts.scheme, "") if has_scheme else "11434"
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(address, address)  # noqa: S104 (read, not bound)
    return f"{parts.scheme}://{host}:{port or default_port}{parts.path.rstrip('/').removesuffix('/v1')}/v1"


def azure_url(value: str) -> str:
    """The base URL of the v1 API behind ``AZURE_OPENAI_ENDPOINT`` (``https://RESOURCE.openai.azure.com``)."""
    endpoint = value.rstrip("/")
    return endpoint if endpoint.endswith("/openai/v1") else f"{endpoint.removesuffix('/openai')}/openai/v1"


PRESETS: Final = (
    Preset(name="openai_compatible", base_url=None, operations=WITH_RERANK),
    Preset(
        name="openai",
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        url_variable="OPENAI_BASE_URL",
        output_limit_field="max_completion_tokens",
        forwards=("openai-beta",),
        responses="kept",
        counts_tokens=True,
    ),
    Preset(
        name="azure_openai",
        base_url=None,
        key_variable="AZURE_OPENAI_API_KEY",
        url_variable="AZURE_OPENAI_ENDPOINT",
        read_url=azure_url,
        needs_both=True,
        key_header="api-key",
        key_prefix="",
        output_limit_field="max_completion_tokens",
        responses="kept",
    ),
    Preset(
        name="vllm",
        base_url="http://127.0.0.1:8000/v1",
        url_variable="VLLM_BASE_URL",
        operations=WITH_RERANK,
        output_limit_field="max_completion_tokens",
        responses="stateless",  # it keeps responses only under VLLM_ENABLE_RESPONSES_API_STORE
    ),
    Preset(
        name="ollama",
        base_url="http://127.0.0.1:11434/v1",
        url_variable="OLLAMA_HOST",
        read_url=ollama_url,
    ),
    Preset(
        name="llama_cpp",
        base_url="http://127.0.0.1:8080/v1",
        url_variable="LLAMA_CPP_BASE_URL",
        operations=WITH_RERANK,
    ),
    Preset(name="lm_studio", base_url="http://127.0.0.1:1234/v1", url_variable="LM_STUDIO_BASE_URL", responses="kept"),
    Preset(
        name="sglang",
        base_url="http://127.0.0.1:30000/v1",
        url_variable="SGLANG_BASE_URL",
        operations=WITH_RERANK,
    ),
    Preset(
        name="tgi",
        base_url="http://127.0.0.1:3000/v1",
        url_variable="TGI_BASE_URL",
        operations=("chat", "completions"),
        done_optional=True,  # servers before July 2024 end a stream without [DONE]
    ),
    Preset(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        operations=("chat",),
        output_limit_field="max_completion_tokens",
    ),
    Preset(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_variable="MISTRAL_API_KEY",
        operations=("chat", "embeddings"),
    ),
    Preset(
        name="together",
        base_url="https://api.together.xyz/v1",
        key_variable="TOGETHER_API_KEY",
        operations=WITH_RERANK,
    ),
    Preset(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variable="FIREWORKS_API_KEY",
        operations=WITH_RERANK,
        responses="kept",
    ),
    Preset(
        name="jina",
        base_url="https://api.jina.ai/v1",
        key_variable="JINA_API_KEY",
        operations=("embeddings", "rerank"),
    ),
    Preset(
        name="deepseek",
        base_url="https://api.deepseek.com/v1",
        key_variable="DEEPSEEK_API_KEY",
        operations=("chat",),
    ),
    Preset(
        name="xai",
        base_url="https://api.x.ai/v1",
        key_variable="XAI_API_KEY",
        operations=("chat",),
        output_limit_field="max_completion_tokens",
        responses="kept",
    ),
    Preset(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        operations=WITH_RERANK,
        forwards=("http-referer", "x-title"),
        responses="stateless",
    ),
)
