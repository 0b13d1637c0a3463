"""Google's two services: where they are, and how they are told who calls."""

import pytest

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Provider, ProviderSettings, Target
from switchgear.providers import discover

VERTEX = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google"


def built(kind: str, settings: ProviderSettings) -> Provider:
    return discover(())[kind].build(settings)


def target(provider: Provider, operation: str, dialect: str = "openai_chat", model: str = "gemini-2.5-flash") -> Target:
    found = provider.target(operation, dialect, model)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GEMINI_API_KEY": "k"}, "https://generativelanguage.googleapis.com/v1beta/models/"),
        ({"GOOGLE_API_KEY": "k"}, "https://generativelanguage.googleapis.com/v1beta/models/"),
        ({"GEMINI_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": "http://h:9"}, "http://h:9/v1beta/models/"),
        ({"GOOGLE_GEMINI_BASE_URL": "http://h:9/proxy/"}, "http://h:9/proxy/v1beta/models/"),
        ({"GOOGLE_GEMINI_BASE_URL": "http://h:9/v1alpha"}, "http://h:9/v1alpha/models/"),
    ],
)
def test_the_environment_leads_to(environ: dict[str, str], expected: str) -> None:
    settings = discover(())["gemini"].settings_from(environ)
    assert settings is not None
    found = target(built("gemini", settings), "chat")
    assert f"{found.origin.scheme}://{found.origin.authority}{found.path}".startswith(expected)


def test_either_variable_may_hold_the_key_and_the_first_one_counts() -> None:
    kind = discover(())["gemini"]
    for environ in ({"GOOGLE_API_KEY": "k"}, {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "other"}):
        settings = kind.settings_from(environ)
        assert settings is not None
        assert settings.api_key == "k"
    assert kind.settings_from({"GOOGLE_API_KEY": " "}) is None


def test_each_operation_has_its_method_and_streams_ask_for_events() -> None:
    provider = built("gemini", ProviderSettings(name="g", api_key="the-key"))
    place = "/v1beta/models/gemini-2.5-flash"
    chat = target(provider, "chat")
    assert (chat.path, chat.stream_path) == (f"{place}:generateContent", f"{place}:streamGenerateContent?alt=sse")
    assert ("x-goog-api-key", "the-key") in chat.headers
    found = {each: target(provider, each) for each in ("chat", "count_tokens", "embeddings")}
    assert {each: (one.path.rpartition(":")[2], one.dialect) for each, one in found.items()} == {
        "chat": ("generateContent", "gemini"),
        "count_tokens": ("countTokens", "gemini_count_tokens"),
        "embeddings": ("batchEmbedContents", "gemini_embeddings"),
    }
    one = target(provider, "embeddings", "gemini_embed_content")
    assert (one.path, one.dialect) == (f"{place}:embedContent", "gemini_embed_content")


def test_a_query_of_the_settings_goes_to_streams_as_well() -> None:
    provider = built("gemini", ProviderSettings(name="g", query={"a": "b"}))
    assert target(provider, "chat").stream_path.endswith(":streamGenerateContent?a=b&alt=sse")


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("models/gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:"),
        ("tunedModels/mine", "/v1beta/tunedModels/mine:"),
        ("größe", "/v1beta/models/gr%C3%B6%C3%9Fe:"),
    ],
)
def test_a_models_name_becomes_a_place_in_the_path(model: str, place: str) -> None:
    provider = built("gemini", ProviderSettings(name="g"))
    assert target(provider, "chat", model=model).path.startswith(place)


@pytest.mark.parametrize("model", ["../files/secret", "models/../../v1/x", "."])
def test_a_name_cannot_climb_out_of_the_models(model: str) -> None:
    assert built("gemini", ProviderSettings(name="g")).target("chat", "gemini", model) is None


def test_vertex_wants_an_address_and_a_bearer_token() -> None:
    with pytest.raises(ConfigError, match=r"providers\.v: base_url is missing"):
        built("vertex", ProviderSettings(name="v"))
    provider = built("vertex", ProviderSettings(name="v", base_url=VERTEX, api_key="token"))
    chat = target(provider, "chat")
    assert chat.path.endswith("/publishers/google/models/gemini-2.5-flash:generateContent")
    assert ("authorization", "Bearer token") in chat.headers
    assert provider.target("embeddings", "openai_embeddings", "m") is None
