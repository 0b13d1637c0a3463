"""What the GenAI conventions call vendors (``gen_ai.provider.name``), by the kinds that providers are declared as."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "azure_openai": "azure.ai.openai",
        "azure_openai_deployments": "azure.ai.openai",
        "bedrock": "aws.bedrock",
        "gemini": "gcp.gemini",
        "vertex": "gcp.vertex_ai",
        "mistral": "mistral_ai",
        "moonshot": "moonshot_ai",
        "watsonx": "ibm.watsonx.ai",
        "xai": "x_ai",
    }
)


def provider_name(kind: str) -> str:
    """The conventions' word; the kind itself where they have none of their own."""
    return _NAMES.get(kind, kind)
