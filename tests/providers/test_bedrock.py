"""Amazon Bedrock: where it is in each region, how its paths name a model, and who signs."""

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import ProviderSettings, Target
from switchgear.providers.bedrock import Bedrock
from switchgear.providers.registry import discover
from tests.amazon import Config, boto3
from tests.sigv4 import is_signed, scope_of

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET}
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = ("anthropic.claude-3-haiku-20240307-v1:0", ARN, "größe & more?x#y")


def bedrock(base_url: str | None = None, api_key: str | None = None, **options: str) -> Bedrock:
    return Bedrock(ProviderSettings(name="aws", base_url=base_url, api_key=api_key, options=options))


def chat(provider: Bedrock, model: str = "m") -> Target:
    target = provider.target("chat", "openai_chat", model)
    assert target is not None
    return target


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "bedrock-runtime.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_each_region_has_an_address(region: str, host: str) -> None:
    target = chat(bedrock(region=region))
    assert (target.origin.scheme, target.origin.authority) == ("https", host)


def test_the_model_stands_in_the_path_and_streams_have_a_path_of_their_own() -> None:
    target = chat(bedrock(region="us-east-1"), ARN)
    encoded = (
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F"
        "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
    )
    assert (target.path, target.stream_path) == (
        f"/model/{encoded}/converse",
        f"/model/{encoded}/converse-stream",
    )
    assert target.dialect == "bedrock_converse"


class Captured(Exception):
    """The request that the SDK was about to send."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def sent_by_the_sdk(model: str) -> Any:
    def capture(request: Any, **_: Any) -> None:
        raise Captured(request)

    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.bedrock-runtime", capture)
    try:
        client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    except Captured as captured:
        return captured.request
    finally:
        client.close()
    raise AssertionError("the SDK sent nothing")


@pytest.mark.parametrize("model", MODELS)
def test_the_path_is_the_one_that_the_sdk_asks_for(model: str) -> None:
    url: str = sent_by_the_sdk(model).url
    target = chat(bedrock(region="us-east-1"), model)
    assert url == f"https://{target.origin.authority}{target.path}"


@pytest.mark.parametrize("model", MODELS)
def test_the_sdks_own_signature_is_judged_right(model: str) -> None:
    request = sent_by_the_sdk(model)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    headers["host"] = "bedrock-runtime.us-east-1.amazonaws.com"
    path = request.url.removeprefix(f"https://{headers['host']}")
    assert is_signed("POST", path, headers, request.body, SECRET)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("token", [None, "a-session-token"])
@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:9/proxy", "https://[::1]:8443"])
def test_a_request_is_signed_for_the_host_that_is_called(model: str, token: str | None, base_url: str | None) -> None:
    options = KEYS | {"region": "us-east-1"} | ({} if token is None else {"session_token": token})
    target = chat(bedrock(base_url, **options), model)
    assert target.sign is not None
    for path in (target.path, target.stream_path):
        for body in (b"{}", b"", "Größe".encode() * 1000):
            headers = dict(target.sign(path, body))
            assert headers.get("x-amz-security-token") == token
            assert scope_of(headers) == ("AKIDEXAMPLE", "us-east-1", "bedrock")
            headers["host"] = target.origin.authority
            assert is_signed("POST", path, headers, body, SECRET)
            assert not is_signed("POST", path, headers, body + b" ", SECRET)
            assert not is_signed("POST", path + "x", headers, body, SECRET)


def test_a_query_is_signed_as_well() -> None:
    settings = ProviderSettings(
        name="aws", base_url="http://127.0.0.1:9", query={"b": "2", "a": "1 &"}, options=KEYS | {"region": "eu-west-1"}
    )
    target = chat(Bedrock(settings))
    assert target.sign is not None
    assert target.path.endswith("/converse?b=2&a=1+%26")
    headers = {**dict(target.sign(target.path, b"{}")), "host": target.origin.authority}
    assert is_signed("POST", target.path, headers, b"{}", SECRET)


def test_an_api_key_is_a_bearer_token_and_nothing_is_signed() -> None:
    target = chat(bedrock(api_key="bedrock-api-key", region="us-east-1"))
    assert ("authorization", "Bearer bedrock-api-key") in target.headers
    assert target.sign is None


def test_the_region_of_a_signature_may_stand_in_the_address() -> None:
    target = chat(bedrock("https://bedrock-runtime-fips.us-west-2.amazonaws.com", **KEYS))
    assert target.sign is not None
    assert scope_of(dict(target.sign(target.path, b"{}")))[1] == "us-west-2"


def test_embeddings_are_offered_for_titan_alone() -> None:
    provider = bedrock(region="us-east-1", **KEYS)
    target = provider.target("embeddings", "openai_embeddings", "amazon.titan-embed-text-v2:0")
    assert target is not None
    assert (target.path, target.dialect) == (
        "/model/amazon.titan-embed-text-v2%3A0/invoke",
        "bedrock_titan_embeddings",
    )
    assert target.sign is not None
    assert provider.target("embeddings", "openai_embeddings", "anthropic.claude-v2") is None


REFUSED: list[tuple[Callable[[], Bedrock], str]] = [
    (bedrock, r"providers\.aws\.options\.region is missing"),
    (lambda: bedrock(region="Frankfurt!"), "is not a region such as"),
    (
        lambda: bedrock(region="us-east-1", profile="default"),
        "bedrock knows no 'profile'; it knows region, access_key_id",
    ),
    (lambda: bedrock(region="us-east-1", session_token="two\nlines"), r"session_token is empty, or has characters"),
    (lambda: bedrock(region="us-east-1", access_key_id="a"), "go together"),
    (lambda: bedrock(region="us-east-1", secret_access_key="s"), "go together"),
    (lambda: bedrock(region="us-east-1", session_token="t"), "goes with an access_key_id"),
    (lambda: bedrock(region="us-east-1", api_key="k", **KEYS), "not both"),
    (lambda: bedrock("http://127.0.0.1:9", **KEYS), "a signature is for one region"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_settings_that_cannot_be_used_are_refused(make: Callable[[], Bedrock], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        make()


def test_the_environment_needs_a_token_and_a_region() -> None:
    kind = discover(())["bedrock"]
    assert kind.settings_from({"AWS_BEARER_TOKEN_BEDROCK": "k"}) is None
    assert kind.settings_from({"AWS_REGION": "eu-central-1"}) is None
    settings = kind.settings_from({"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "eu-central-1"})
    assert settings is not None
    assert settings.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert settings.api_key == "k"


def test_a_signature_costs_well_under_a_millisecond() -> None:
    target = chat(bedrock(region="us-east-1", **KEYS), ARN)
    assert target.sign is not None
    seconds: list[float] = []
    for _ in range(100):
        began = time.perf_counter()
        target.sign(target.path, bytes(2000))
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.0005


def test_keys_without_the_signer_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(
        ConfigError, match=r"providers\.aws: signing needs botocore; pip install 'switchgear\[bedrock\]'"
    ):
        bedrock(region="us-east-1", **KEYS)
    assert chat(bedrock(region="us-east-1", api_key="k")).sign is None
