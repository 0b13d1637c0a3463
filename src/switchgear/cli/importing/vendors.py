"""LiteLLM's prefixes of model names, as data: our kind for each, and the variables that LiteLLM reads for it."""

from typing import Final

from msgspec import Struct


class Vendor(Struct, frozen=True, kw_only=True):
    """One prefix."""

    kind: str
    """Of our providers; empty: there is none."""
    key_variable: str = ""
    """Which LiteLLM reads when an entry has no key."""
    base_url: str = ""
    """Where LiteLLM knows the address by itself and our kind does not."""
    url_variable: str = ""
    """Which LiteLLM reads when an entry has no address; where it has no other way to know it."""
    suffix: str = ""
    """What our base URL has behind LiteLLM's."""
    note: str = ""
    """How the kind differs from what LiteLLM does; for none: what to do instead."""


OPENAI_COMPATIBLE: Final = "openai_compatible"
AZURE: Final = "azure_openai_deployments"
BEDROCK: Final = "bedrock"
VERTEX: Final = "vertex"
SIMULATOR: Final = "simulator"


def _compatible(key_variable: str, base_url: str = "", note: str = "", url_variable: str = "") -> Vendor:
    return Vendor(
        kind=OPENAI_COMPATIBLE, key_variable=key_variable, base_url=base_url, note=note, url_variable=url_variable
    )


_BEDROCK: Final = Vendor(kind=BEDROCK)
_COHERE: Final = Vendor(kind="cohere", key_variable="COHERE_API_KEY")
_OLLAMA: Final = Vendor(kind="ollama", suffix="/v1", note="asked through its OpenAI-like API")
_VERTEX: Final = Vendor(kind=VERTEX)

VENDORS: Final = {
    "openai": Vendor(kind="openai", key_variable="OPENAI_API_KEY"),
    "text-completion-openai": Vendor(
        kind="openai", key_variable="OPENAI_API_KEY", note="for /v1/completions; a chat is sent to the chat API"
    ),
    "azure": Vendor(kind=AZURE, key_variable="AZURE_API_KEY", url_variable="AZURE_API_BASE"),
    "azure_text": Vendor(kind=AZURE, key_variable="AZURE_API_KEY", url_variable="AZURE_API_BASE"),
    "azure_ai": _compatible(
        "AZURE_AI_API_KEY", url_variable="AZURE_AI_API_BASE", note="base_url must end in its '/v1'"
    ),
    "anthropic": Vendor(kind="anthropic", key_variable="ANTHROPIC_API_KEY"),
    "bedrock": _BEDROCK,
    "bedrock_converse": _BEDROCK,
    "gemini": Vendor(kind="gemini", key_variable="GEMINI_API_KEY"),
    "vertex_ai": _VERTEX,
    "vertex_ai_beta": _VERTEX,
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "groq": Vendor(kind="groq", key_variable="GROQ_API_KEY"),
    "mistral": Vendor(kind="mistral", key_variable="MISTRAL_API_KEY"),
    "together_ai": Vendor(kind="together", key_variable="TOGETHERAI_API_KEY"),
    "fireworks_ai": Vendor(kind="fireworks", key_variable="FIREWORKS_API_KEY"),
    "deepseek": Vendor(kind="deepseek", key_variable="DEEPSEEK_API_KEY"),
    "xai": Vendor(kind="xai", key_variable="XAI_API_KEY"),
    "openrouter": Vendor(kind="openrouter", key_variable="OPENROUTER_API_KEY"),
    "cohere": _COHERE,
    "cohere_chat": _COHERE,
    "jina_ai": Vendor(kind="jina", key_variable="JINA_AI_API_KEY"),
    "hosted_vllm": Vendor(kind="vllm", url_variable="HOSTED_VLLM_API_BASE"),
    "vllm": Vendor(kind="vllm", note="LiteLLM runs vLLM inside itself; here it is a server of its own"),
    "lm_studio": Vendor(kind="lm_studio", url_variable="LM_STUDIO_API_BASE"),
    "llamafile": Vendor(kind="llama_cpp", url_variable="LLAMAFILE_API_BASE"),
    "huggingface": _compatible(
        "HUGGINGFACE_API_KEY", "https://router.huggingface.co/v1", note="asked through its OpenAI-like router"
    ),
    "perplexity": _compatible("PERPLEXITYAI_API_KEY", "https://api.perplexity.ai"),
    "nvidia_nim": _compatible("NVIDIA_NIM_API_KEY", "https://integrate.api.nvidia.com/v1"),
    "cerebras": _compatible("CEREBRAS_API_KEY", "https://api.cerebras.ai/v1"),
    "sambanova": _compatible("SAMBANOVA_API_KEY", "https://api.sambanova.ai/v1"),
    "deepinfra": _compatible("DEEPINFRA_API_KEY", "https://api.deepinfra.com/v1/openai"),
    "moonshot": _compatible("MOONSHOT_API_KEY", "https://api.moonshot.ai/v1"),
    "dashscope": _compatible("DASHSCOPE_API_KEY", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    "databricks": _compatible("DATABRICKS_API_KEY", url_variable="DATABRICKS_API_BASE"),
    "openai_like": _compatible("OPENAI_LIKE_API_KEY", url_variable="OPENAI_LIKE_API_BASE"),
    "custom_openai": _compatible("", url_variable="OPENAI_LIKE_API_BASE"),
    "litellm_proxy": _compatible("LITELLM_PROXY_API_KEY", url_variable="LITELLM_PROXY_API_BASE"),
    "replicate": Vendor(kind="", note="Replicate's API of predictions is not spoken here; choose another host"),
    "sagemaker": Vendor(kind="", note="SageMaker's own API is not spoken here; put an OpenAI-like server before it"),
    "sagemaker_chat": Vendor(
        kind="", note="SageMaker's own API is not spoken here; put an OpenAI-like server before it"
    ),
    "watsonx": Vendor(kind="", note="watsonx's own API is not spoken here; put an OpenAI-like server before it"),
}

_BARE: Final = (
    (
        (
            "gpt-",
            "chatgpt-",
            "o1",
            "o3",
            "o4",
            "text-embedding-",
            "ft:gpt-",
            "whisper-",
            "tts-",
            "dall-e-",
            "omni-moderation-",
            "text-moderation-",
            "davinci-",
            "babbage-",
        ),
        "openai",
    ),
    (("claude-",), "anthropic"),
    (("gemini-",), "vertex_ai"),
    (("command", "embed-", "rerank-"), "cohere"),
    (("deepseek-",), "deepseek"),
    (("mistral-", "codestral-", "ministral-"), "mistral"),
)


def vendor_of(model: str, declared: str) -> tuple[str, str]:
    """The prefix, and the model's name behind it; an empty prefix when nobody can tell.

    ``declared`` is what an entry says outside its model's name. Without either, the name itself is looked at, as
    LiteLLM does.
    """
    prefix, slash, rest = model.partition("/")
    if declared:
        return declared, rest if slash and prefix == declared else model
    if slash and prefix in VENDORS:
        return prefix, rest
    for starts, vendor in _BARE:
        if model.startswith(starts):
            return vendor, model
    return "", model
