"""What headers ask of routing for one call."""

import pytest

from switchgear.kernel.call import Caller
from switchgear.kernel.errors import BadRequest, Forbidden
from switchgear.routing.wishes import NONE, Wishes, session_of, tags_of, wishes_of
from tests.routing.stand import Stand, deployments

GOOD: list[tuple[dict[str, str], Wishes]] = [
    ({}, NONE),
    ({"x-switchgear-session": "s", "x-switchgear-tags": "a"}, NONE),
    ({"x-switchgear-timeout": "2.5"}, Wishes(timeout_seconds=2.5)),
    ({"x-litellm-timeout": "7"}, Wishes(timeout_seconds=7)),
    ({"x-switchgear-timeout": " 3 ", "x-litellm-timeout": "7"}, Wishes(timeout_seconds=3)),
    ({"x-switchgear-timeout": "", "x-litellm-timeout": "7"}, Wishes(timeout_seconds=7)),
    ({"x-litellm-stream-timeout": "1.5"}, Wishes(first_token_seconds=1.5)),
    ({"x-switchgear-retries": "0"}, Wishes(retries=0)),
    ({"x-switchgear-retries": "4"}, Wishes(retries=4)),
    ({"x-switchgear-retries": "400"}, Wishes(retries=10)),
    ({"x-litellm-num-retries": "2"}, Wishes(retries=2)),
    ({"x-switchgear-fallbacks": "a, b,,c "}, Wishes(fallbacks=("a", "b", "c"))),
    ({"x-switchgear-fallbacks": ",".join("abcdefghij")}, Wishes(fallbacks=tuple("abcdefgh"))),
    ({"x-switchgear-priority": "high"}, Wishes(priority=-1)),
    ({"x-switchgear-priority": "normal"}, NONE),
    ({"x-switchgear-priority": "low"}, Wishes(priority=1)),
]


@pytest.mark.parametrize(("headers", "wishes"), GOOD)
def test_good_headers(headers: dict[str, str], wishes: Wishes) -> None:
    assert wishes_of(Stand({}).call(headers=headers)) == wishes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-switchgear-timeout", "soon"),
        ("x-switchgear-timeout", "-1"),
        ("x-switchgear-timeout", "nan"),
        ("x-switchgear-timeout", "inf"),
        ("x-switchgear-timeout", "1e9"),
        ("x-switchgear-timeout", "0"),
        ("x-litellm-stream-timeout", "0"),
        ("x-litellm-timeout", "1 s"),
        ("x-litellm-stream-timeout", "\xff"),
        ("x-switchgear-retries", "-1"),
        ("x-switchgear-retries", "many"),
        ("x-switchgear-retries", "1.5"),
        ("x-switchgear-priority", "urgent"),
        ("x-switchgear-priority", "HIGH"),
    ],
)
def test_bad_headers_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadRequest, match=f"{name}: "):
        wishes_of(Stand({}).call(headers={name: value}))


@pytest.mark.parametrize("names", ["dear", "fast, dear"])
def test_a_key_reaches_no_model_as_a_fallback_that_it_may_not_use(names: str) -> None:
    stand = Stand({"fast": deployments("acme/m"), "dear": deployments("costly/m")})
    narrow = Caller(key="narrow", models=("fast", "dear-*"))
    done = stand.ask(headers={"x-switchgear-fallbacks": names}, caller=narrow)
    assert (done.status, stand.sent) == (403, [])
    assert isinstance(done.error, Forbidden)
    assert stand.ask(headers={"x-switchgear-fallbacks": "dear-1, fast"}, caller=narrow).status == 200
    assert stand.ask(headers={"x-switchgear-fallbacks": names}, caller=Caller(key="any")).status == 200


@pytest.mark.parametrize(
    ("headers", "session"),
    [
        ({}, ""),
        ({"x-switchgear-session": "a", "x-session-id": "b"}, "a"),
        ({"x-session-id": "b", "helicone-session-id": "c"}, "b"),
        ({"helicone-session-id": "c"}, "c"),
        ({"x-session-id": "é" * 300}, "é" * 256),
    ],
)
def test_sessions(headers: dict[str, str], session: str) -> None:
    assert session_of(Stand({}).call(headers=headers)) == session


@pytest.mark.parametrize(
    ("headers", "tags"),
    [
        ({}, ()),
        ({"x-switchgear-tags": " a ,b,, c"}, ("a", "b", "c")),
        ({"x-litellm-tags": "d"}, ("d",)),
        ({"x-switchgear-tags": "a", "x-litellm-tags": "d"}, ("a",)),
        ({"x-switchgear-tags": " ", "x-litellm-tags": "d"}, ("d",)),
    ],
)
def test_tags(headers: dict[str, str], tags: tuple[str, ...]) -> None:
    assert tags_of(Stand({}).call(headers=headers)) == tags
