"""Where each vendor is, how it is told who calls, and what it is not told."""

import pytest

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Provider, ProviderSettings, Target
from switchgear.providers import Kind, discover
from switchgear.providers.presets import azure_url, ollama_url


def kind(name: str) -> Kind:
    return discover(())[name]


def chat_target(provider: Provider) -> Target:
    target = provider.target("chat", "openai_chat", "some-model")
    assert target is not None
    return target


def from_environment(name: str, environ: dict[str, str]) -> Target:
    settings = kind(name).settings_from(environ)
    assert settings is not None
    return chat_target(kind(name).build(settings))


def url(target: Target) -> str:
    return f"{target.origin.scheme}://{target.origin.authority}{target.path}"


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("openai", {"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1/chat/completions"),
        ("openai", {"OPENAI_BASE_URL": "http://localhost:9/v1/"}, "http://localhost:9/v1/chat/completions"),
        ("groq", {"GROQ_API_KEY": "k"}, "https://api.groq.com/openai/v1/chat/completions"),
        ("mistral", {"MISTRAL_API_KEY": "k"}, "https://api.mistral.ai/v1/chat/completions"),
        ("together", {"TOGETHER_API_KEY": "k"}, "https://api.together.xyz/v1/chat/completions"),
        ("fireworks", {"FIREWORKS_API_KEY": "k"}, "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("deepseek", {"DEEPSEEK_API_KEY": "k"}, "https://api.deepseek.com/v1/chat/completions"),
        ("xai", {"XAI_API_KEY": "k"}, "https://api.x.ai/v1/chat/completions"),
        ("openrouter", {"OPENROUTER_API_KEY": "k"}, "https://openrouter.ai/api/v1/chat/completions"),
        ("vllm", {"VLLM_BASE_URL": "http://gpu:8000/v1"}, "http://gpu:8000/v1/chat/completions"),
        ("llama_cpp", {"LLAMA_CPP_BASE_URL": "http://h:1/v1"}, "http://h:1/v1/chat/completions"),
        ("lm_studio", {"LM_STUDIO_BASE_URL": "http://h:1/v1"}, "http://h:1/v1/chat/completions"),
        ("sglang", {"SGLANG_BASE_URL": "http://h:1/v1"}, "http://h:1/v1/chat/completions"),
        ("tgi", {"TGI_BASE_URL": "http://h:1/v1"}, "http://h:1/v1/chat/completions"),
        ("ollama", {"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434/v1/chat/completions"),
        (
            "azure_openai",
            {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com/"},
            "https://me.openai.azure.com/openai/v1/chat/completions",
        ),
        ("anthropic", {"ANTHROPIC_API_KEY": "k"}, "https://api.anthropic.com/v1/messages"),
        ("anthropic", {"ANTHROPIC_BASE_URL": "http://localhost:9/v1/"}, "http://localhost:9/v1/messages"),
        ("anthropic", {"ANTHROPIC_BASE_URL": "http://localhost:9/proxy"}, "http://localhost:9/proxy/v1/messages"),
    ],
)
def test_the_environment_leads_to(name: str, environ: dict[str, str], expected: str) -> None:
    assert url(from_environment(name, environ)) == expected


@pytest.mark.parametrize("environ", [{"AZURE_OPENAI_API_KEY": "k"}, {"AZURE_OPENAI_ENDPOINT": "https://me.example"}])
def test_azure_needs_both_its_variables(environ: dict[str, str]) -> None:
    assert kind("azure_openai").settings_from(environ) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080/v1"),
        (":8080", "http://127.0.0.1:8080/v1"),
        ("[::]:8080", "http://[::1]:8080/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("gpu-box:11434", "http://gpu-box:11434/v1"),
        ("http://gpu-box", "http://gpu-box:80/v1"),
        ("https://gpu-box/", "https://gpu-box:443/v1"),
        ("https://gpu-box/models/v1", "https://gpu-box:443/models/v1"),
    ],
)
def test_ollama_host_in_all_its_forms(value: str, expected: str) -> None:
    assert ollama_url(value) == expected


@pytest.mark.parametrize(
    "endpoint", ["https://r.example", "https://r.example/", "https://r.example/openai", "https://r.example/openai/v1/"]
)
def test_azures_endpoint_in_all_its_forms(endpoint: str) -> None:
    assert azure_url(endpoint) == "https://r.example/openai/v1"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("openai", ("authorization", "Bearer the-key")),
        ("azure_openai", ("api-key", "the-key")),
        ("anthropic", ("x-api-key", "the-key")),
    ],
)
def test_the_key_is_shown_as_the_vendor_wants_it(name: str, header: tuple[str, str]) -> None:
    settings = ProviderSettings(name=name, base_url="https://vendor.example/v1", api_key="the-key")
    assert header in chat_target(kind(name).build(settings)).headers


def test_the_operators_own_header_wins_over_the_kinds() -> None:
    settings = ProviderSettings(name="x", api_key="the-key", headers={"Authorization": "Custom token"})
    headers = chat_target(kind("openai").build(settings)).headers
    assert [value for name, value in headers if name == "authorization"] == ["Custom token"]


def test_openai_compatible_vendors_offer_the_operations_their_preset_names() -> None:
    openai = kind("openai").build(ProviderSettings(name="openai"))
    targets = {each: openai.target(each, "anthropic", "m") for each in ("chat", "completions", "embeddings")}
    assert {each: (target.path, target.dialect) for each, target in targets.items() if target is not None} == {
        "chat": ("/v1/chat/completions", "openai_chat"),
        "completions": ("/v1/completions", "openai_completions"),
        "embeddings": ("/v1/embeddings", "openai_embeddings"),
    }
    assert openai.target("count_tokens", "anthropic_count_tokens", "m") is None
    assert kind("groq").build(ProviderSettings(name="groq")).target("embeddings", "openai_embeddings", "m") is None


def test_a_kind_without_an_address_of_its_own_asks_for_one() -> None:
    with pytest.raises(ConfigError, match=r"providers\.mine: base_url is missing"):
        kind("openai_compatible").build(ProviderSettings(name="mine"))


@pytest.mark.parametrize(
    ("name", "field", "done_optional"),
    [("openai", "max_completion_tokens", False), ("ollama", "max_tokens", False), ("tgi", "max_tokens", True)],
)
def test_quirks_are_told(name: str, field: str, done_optional: bool) -> None:
    provider = kind(name).build(ProviderSettings(name=name))
    assert (provider.quirks.output_limit_field, provider.quirks.done_optional) == (field, done_optional)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://h:99999/v1",
        "https://h:0/v1",
        "https:///v1",
        "https://h/v1?x=1",
        "https://h/v1#x",
        "https://h/ü",
        "https://h/a b",
    ],
)
def test_a_base_url_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"providers\.mine\.base_url"):
        kind("openai").build(ProviderSettings(name="mine", base_url=base_url))


def test_an_ipv6_address_is_a_host() -> None:
    target = chat_target(kind("vllm").build(ProviderSettings(name="x", base_url="http://[::1]:8000/v1")))
    assert target.origin.authority == "[::1]:8000"


def test_anthropic_gets_a_version_even_when_the_client_names_none() -> None:
    provider = kind("anthropic").build(ProviderSettings(name="anthropic"))
    assert provider.forwarded_headers({}) == (("anthropic-version", "2023-06-01"),)


def test_anthropic_gets_the_clients_version_and_betas_verbatim() -> None:
    provider = kind("anthropic").build(ProviderSettings(name="anthropic"))
    headers = {b"anthropic-version": b"2099-01-01", b"anthropic-beta": b"one-2025,two-2026", b"x-api-key": b"secret"}
    assert provider.forwarded_headers(headers) == (
        ("anthropic-version", "2099-01-01"),
        ("anthropic-beta", "one-2025,two-2026"),
    )


def test_a_version_that_the_operator_pins_is_not_overridden() -> None:
    provider = kind("anthropic").build(ProviderSettings(name="a", headers={"anthropic-version": "2024-02-02"}))
    assert ("anthropic-version", "2024-02-02") in chat_target(provider).headers
    assert provider.forwarded_headers({b"anthropic-version": b"2099-01-01"}) == ()


def test_anthropic_counts_tokens_at_its_own_path() -> None:
    provider = kind("anthropic").build(ProviderSettings(name="anthropic"))
    target = provider.target("count_tokens", "anthropic_count_tokens", "m")
    assert target is not None
    assert (target.path, target.dialect) == ("/v1/messages/count_tokens", "anthropic_count_tokens")
    assert provider.target("embeddings", "openai_embeddings", "m") is None


@pytest.mark.parametrize(
    ("name", "path", "keeps"),
    [
        ("openai", "/v1/responses", True),
        ("vllm", "/v1/responses", False),
        ("lm_studio", "/v1/responses", True),
        ("fireworks", "/inference/v1/responses", True),
        ("xai", "/v1/responses", True),
        ("openrouter", "/api/v1/responses", False),
        ("ollama", None, False),
        ("groq", None, False),
    ],
)
def test_the_responses_api_is_for_its_own_clients_where_a_vendor_has_it(
    name: str, path: str | None, keeps: bool
) -> None:
    provider = kind(name).build(ProviderSettings(name=name))
    own = provider.target("chat", "openai_responses", "m")
    assert own is not None
    assert (own.path, own.dialect) == (
        path or chat_target(provider).path,
        "openai_responses" if path else "openai_chat",
    )
    assert provider.quirks.keeps_responses is keeps
    other = provider.target("chat", "anthropic", "m")
    assert other is not None
    assert other.path.endswith("/chat/completions")


def test_only_openai_counts_tokens_for_the_responses_api() -> None:
    openai, vllm = (kind(name).build(ProviderSettings(name=name)) for name in ("openai", "vllm"))
    counting = openai.target("count_tokens", "openai_responses_input_tokens", "m")
    assert counting is not None
    assert (counting.path, counting.dialect) == ("/v1/responses/input_tokens", "openai_responses_input_tokens")
    assert vllm.target("count_tokens", "openai_responses_input_tokens", "m") is None


@pytest.mark.parametrize(
    ("said", "spoken", "keeps"), [("none", "openai_chat", False), ("kept", "openai_responses", True)]
)
def test_an_operator_knows_better_whether_a_server_has_the_responses_api(said: str, spoken: str, keeps: bool) -> None:
    provider = kind("vllm").build(ProviderSettings(name="x", options={"responses": said}))
    target = provider.target("chat", "openai_responses", "m")
    assert target is not None
    assert (target.dialect, provider.quirks.keeps_responses) == (spoken, keeps)


def test_a_word_that_says_nothing_about_the_responses_api_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"providers\.x\.options\.responses: must be none, stateless or kept"):
        kind("openai").build(ProviderSettings(name="x", options={"responses": "yes"}))
