"""What users of other gateways ask of routing by their own headers."""

from collections.abc import Mapping

import pytest

from switchgear.kernel.call import Caller
from switchgear.kernel.errors import BadRequest, Forbidden
from switchgear.routing.wishes import Wishes, wishes_of
from tests.routing.scripted import a_call


def wished(headers: Mapping[str, str], allowed: tuple[str, ...] = ()) -> Wishes:
    call = a_call()
    call.headers = {name.lower().encode(): value.encode() for name, value in headers.items()}
    call.caller = Caller(key="bot", models=allowed)
    return wishes_of(call)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-litellm-timeout": "2.5", "x-litellm-num-retries": "4"}, Wishes(timeout_seconds=2.5, retries=4)),
        ({"x-litellm-stream-timeout": "1"}, Wishes(first_token_seconds=1)),
        ({"x-portkey-request-timeout": "1500"}, Wishes(timeout_seconds=1.5)),
        ({"x-switchgear-timeout": "9", "x-portkey-request-timeout": "1500"}, Wishes(timeout_seconds=9)),
        ({"Helicone-Retry-Enabled": "true", "helicone-retry-num": "2"}, Wishes(retries=2)),
        ({"Helicone-Retry-Enabled": "true"}, Wishes()),
        ({"helicone-retry-num": "2"}, Wishes()),
        ({"Helicone-Fallbacks": '["a", {"model": "b"}]'}, Wishes(fallbacks=("a", "b"))),
        ({"x-switchgear-fallbacks": '["a", "b,c"]'}, Wishes(fallbacks=("a", "b,c"))),
        ({"x-switchgear-fallbacks": "a, b"}, Wishes(fallbacks=("a", "b"))),
        ({"x-portkey-config": "pc-production-1"}, Wishes()),
    ],
)
def test_each_gateways_wishes_are_understood(headers: Mapping[str, str], expected: Wishes) -> None:
    assert wished(headers) == expected


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Helicone-Target-URL", "https://api.openai.com"),
        ("Helicone-OpenAI-Api-Base", "https://me.openai.azure.com"),
        ("x-portkey-custom-host", "http://169.254.169.254/"),
        ("x-portkey-config", '{"retry": {"attempts": 3}}'),
        ("Helicone-Fallbacks", '[{"target-url": "https://api.openai.com", "headers": {"Authorization": "Bearer k"}}]'),
        ("Helicone-Fallbacks", '[{"model": "a", "temperature": 0}]'),
        ("x-litellm-timeout", "soon"),
        ("x-portkey-request-timeout", "-1"),
    ],
)
def test_what_leads_elsewhere_or_cannot_be_understood_is_refused_by_name(header: str, value: str) -> None:
    with pytest.raises(BadRequest, match=f"^{header.lower()}: "):
        wished({header: value})


def test_a_fallback_leads_to_no_model_that_the_key_may_not_use() -> None:
    assert wished({"x-switchgear-fallbacks": "sim/echo"}, ("sim/*",)).fallbacks == ("sim/echo",)
    with pytest.raises(Forbidden, match="may not use model 'openai/gpt-4o'"):
        wished({"x-switchgear-fallbacks": "sim/echo,openai/gpt-4o"}, ("sim/*",))
