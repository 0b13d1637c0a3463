"""Cohere, the older Azure API, and who reranks: paths, keys, options."""

import pytest

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Provider, ProviderSettings, Target
from switchgear.providers import Kind, discover

RESOURCE = "https://me.openai.azure.com"


def kind(name: str) -> Kind:
    return discover(())[name]


def target(provider: Provider, operation: str, model: str = "m") -> Target:
    found = provider.target(operation, "openai_chat", model)
    assert found is not None
    return found


def azure(options: dict[str, str] | None = None, **settings: object) -> Provider:
    given = {"name": "az", "base_url": RESOURCE, "options": options or {}} | settings
    return kind("azure_openai_deployments").build(ProviderSettings(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "path", "dialect"),
    [
        ("chat", "/v2/chat", "cohere_chat"),
        ("embeddings", "/v2/embed", "cohere_embed"),
        ("rerank", "/v2/rerank", "cohere_rerank"),
    ],
)
@pytest.mark.parametrize("base", ["", "/v1", "/v2", "/v2/"])
def test_cohere_is_reached_in_its_own_dialects(operation: str, path: str, dialect: str, base: str) -> None:
    settings = ProviderSettings(name="c", base_url=f"https://api.cohere.com{base}", api_key="the-key")
    found = target(kind("cohere").build(settings), operation)
    assert (found.path, found.dialect) == (path, dialect)
    assert ("authorization", "Bearer the-key") in found.headers


@pytest.mark.parametrize(
    ("environ", "origin"),
    [
        ({"CO_API_KEY": "k"}, "api.cohere.com"),
        ({"CO_API_URL": "https://cohere.internal"}, "cohere.internal"),
    ],
)
def test_cohere_is_found_by_the_variables_of_its_sdk(environ: dict[str, str], origin: str) -> None:
    settings = kind("cohere").settings_from(environ)
    assert settings is not None
    assert target(kind("cohere").build(settings), "chat").origin.host == origin


def test_cohere_completes_no_prompts_and_counts_no_tokens() -> None:
    provider = kind("cohere").build(ProviderSettings(name="c"))
    assert provider.target("completions", "openai_completions", "m") is None
    assert provider.target("count_tokens", "anthropic_count_tokens", "m") is None


def test_cohere_is_told_the_name_of_the_clients_project_unless_the_operator_pins_one() -> None:
    headers = {b"x-client-name": b"search", b"authorization": b"Bearer secret"}
    assert kind("cohere").build(ProviderSettings(name="c")).forwarded_headers(headers) == (("x-client-name", "search"),)
    pinned = kind("cohere").build(ProviderSettings(name="c", headers={"X-Client-Name": "ours"}))
    assert pinned.forwarded_headers(headers) == ()
    assert kind("cohere").build(ProviderSettings(name="c")).forwarded_headers({}) == ()


@pytest.mark.parametrize(
    ("operation", "path"),
    [("chat", "chat/completions"), ("completions", "completions"), ("embeddings", "embeddings")],
)
@pytest.mark.parametrize("base_url", [RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/openai"])
def test_a_deployment_of_azures_has_a_path_of_its_own(operation: str, path: str, base_url: str) -> None:
    found = target(azure(base_url=base_url), operation, "gpt-4o")
    assert found.path == f"/openai/deployments/gpt-4o/{path}?api-version=2024-10-21"


def test_the_map_leads_from_models_to_deployments_and_others_are_deployments_themselves() -> None:
    provider = azure({"deployments": "gpt-4o=prod 4o, gpt-4o-mini = small,"})
    assert [target(provider, "chat", model).path.split("/")[3] for model in ("gpt-4o", "gpt-4o-mini", "o3")] == [
        "prod%204o",
        "small",
        "o3",
    ]


def test_the_version_is_the_operators_to_choose() -> None:
    assert target(azure({"api_version": "2025-01-01-preview"}), "chat").path.endswith("?api-version=2025-01-01-preview")
    assert target(azure(query={"api-version": "mine"}), "chat").path.endswith("?api-version=mine")


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, ("api-key", "the-key")),
        ({"auth": "api-key"}, ("api-key", "the-key")),
        ({"auth": "bearer"}, ("authorization", "Bearer the-key")),
    ],
)
def test_azure_is_shown_a_key_or_a_token(options: dict[str, str], header: tuple[str, str]) -> None:
    shown = [each for each in target(azure(options, api_key="the-key"), "chat").headers if each[0] != "content-type"]
    assert shown == [header]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"region": "x"}, r"providers\.az\.options\.region"),
        ({"auth": "basic"}, r"providers\.az\.options\.auth"),
        ({"deployments": "gpt-4o"}, r"providers\.az\.options\.deployments"),
        ({"deployments": "=x"}, r"providers\.az\.options\.deployments"),
    ],
)
def test_options_that_cannot_be_used_are_refused_by_name(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        azure(options)


def test_an_azure_resource_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"providers\.az: base_url is missing"):
        azure(base_url=None)


@pytest.mark.parametrize("name", ["vllm", "llama_cpp", "sglang", "together", "fireworks", "jina", "openrouter"])
def test_servers_and_hosts_that_rerank_do_so_as_jina_does(name: str) -> None:
    found = target(kind(name).build(ProviderSettings(name=name)), "rerank")
    assert found.path.endswith("/v1/rerank")
    assert found.dialect == "jina_rerank"


@pytest.mark.parametrize("name", ["openai", "groq", "ollama", "anthropic", "azure_openai"])
def test_those_that_do_not_rerank_say_so(name: str) -> None:
    provider = kind(name).build(ProviderSettings(name=name, base_url="https://vendor.example/v1"))
    assert provider.target("rerank", "jina_rerank", "m") is None
