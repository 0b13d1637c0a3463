"""Which kind of provider LiteLLM's prefixes lead to, and what each kind is told."""

import json

import pytest

from switchgear.cli.importing import import_litellm
from switchgear.cli.importing.vendors import VENDORS, vendor_of


def provider(**params: object) -> str:
    """The providers of the file that one entry makes."""
    entry = {"model_name": "m", "litellm_params": params}
    text = import_litellm(json.dumps({"model_list": [entry]}), "file").text
    return text.partition("\nproviders:\n")[2].partition("\nmodels:")[0]


@pytest.mark.parametrize("prefix", sorted(prefix for prefix, vendor in VENDORS.items() if vendor.kind))
def test_every_prefix_leads_to_a_deployment_that_is_good(prefix: str) -> None:
    entry = {"model_name": "m", "litellm_params": {"model": f"{prefix}/gemini-x"}}
    made = import_litellm(json.dumps({"model_list": [entry]}), "file")
    assert f"kind: {VENDORS[prefix].kind}\n" in made.text
    assert f"model: {VENDORS[prefix].kind}/gemini-x" in made.text
    assert [line.text for line in made.report.lines if line.path == "the new file"] == []


@pytest.mark.parametrize(
    ("model", "declared", "expected"),
    [
        ("gpt-4o", "", ("openai", "gpt-4o")),
        ("o3-mini", "", ("openai", "o3-mini")),
        ("claude-haiku-4-5", "", ("anthropic", "claude-haiku-4-5")),
        ("command-r", "", ("cohere", "command-r")),
        ("together_ai/meta/llama", "", ("together_ai", "meta/llama")),
        ("meta/llama", "groq", ("groq", "meta/llama")),
        ("groq/llama", "groq", ("groq", "llama")),
        ("who-knows", "", ("", "who-knows")),
    ],
)
def test_the_vendor_is_told_by_prefix_declaration_or_name(model: str, declared: str, expected: tuple[str, str]) -> None:
    assert vendor_of(model, declared) == expected


def test_azure_has_its_version_and_address() -> None:
    made = provider(model="azure/prod", api_base="https://r.openai.azure.com", api_version="2024-10-21", api_key="k")
    assert "base_url: https://r.openai.azure.com\n" in made
    assert 'api_version: "2024-10-21"' in made
    assert "api_key: ${AZURE_OPENAI_DEPLOYMENTS_API_KEY}" in made


def test_bedrock_has_its_region_and_keys_by_reference() -> None:
    made = provider(
        model="bedrock/converse/amazon.nova-pro-v1:0",
        aws_region_name="os.environ/REGION",
        aws_access_key_id="AKIA",
        aws_secret_access_key="os.environ/SECRET",
    )
    for line in ("region: ${REGION}", "access_key_id: ${BEDROCK_ACCESS_KEY_ID}", "secret_access_key: ${SECRET}"):
        assert line in made


def test_vertex_has_an_address_of_its_project_and_region() -> None:
    made = provider(model="vertex_ai/gemini-2.5-pro", vertex_project="p", vertex_location="europe-west4")
    address = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google"
    assert f"base_url: {address}\n" in made
