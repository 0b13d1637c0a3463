"""Where a call goes when the deployments of its name cannot answer it: other names, tiers, other dialects."""

import pytest

from switchgear.kernel.errors import ModelNotFound, NotOffered, UnsupportedField, UpstreamTruncated, UpstreamUnreachable
from tests.routing.lanes import Answer, breaks, refuses, streams
from tests.routing.stand import Declared, Stand, deployments

AT_ONCE: Declared = {"retries": {"base_seconds": 0, "attempts": 1}}
UNSAYABLE = {"logprobs": True}
"""What Anthropic's dialect has no word for."""


def chained(fallbacks: Declared, *names: str, routing: Declared = AT_ONCE, **dialects: str) -> Stand:
    """``fast`` with these fallbacks, and the names they may lead to; each has a provider of its own name."""
    others = {name: deployments(f"{name}/m") for name in names}
    return Stand({"fast": {**deployments("home/m"), "fallbacks": fallbacks}, **others}, routing, dialects=dialects)


def path(stand: Stand) -> list[str]:
    """The providers that were asked."""
    return [name.partition("/")[0] for _, name in stand.sent]


ROUTED_AROUND = [
    refuses(429, retry_after="60"),
    refuses(500),
    refuses(503),
    refuses(529),
    refuses(402),
    refuses(401),
    breaks(UpstreamUnreachable("no route")),
    breaks(UpstreamTruncated("cut")),
    Answer(steps=(b"<html>",)),
    streams(b""),
]


@pytest.mark.parametrize("answer", ROUTED_AROUND)
@pytest.mark.parametrize("stream", [True, False])
def test_another_name_answers_for_what_may_be_routed_around(answer: Answer, *, stream: bool) -> None:
    stand = chained({"any": ["next"]}, "next")
    stand.lane("home").always = answer
    done = stand.ask(stream=stream)
    assert (done.status, done.error) == (200, None)
    assert path(stand) == ["home", "next"]
    assert done.whys[1] == ("fallback", "")
    assert stand.seconds == 0


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (refuses(400, "context_length_exceeded"), "context_length"),
        (refuses(413), "context_length"),
        (refuses(400, "content_filter"), "content_filter"),
        (refuses(422), "refused"),
        (refuses(404), "refused"),
    ],
)
def test_an_answer_that_is_a_no_is_routed_around_only_by_a_chain_of_its_own(answer: Answer, cause: str) -> None:
    stand = chained({"any": ["next"], "unreachable": ["next"]}, "next")
    stand.lane("home").always = answer
    done = stand.ask(headers={"x-switchgear-fallbacks": "next"})
    assert done.status == answer.status
    assert path(stand) == ["home"]
    assert done.whys == [("", cause)]

    stand = chained({"any": ["next"], cause: ["wide"]}, "next", "wide")
    stand.lane("home").always = answer
    assert stand.ask().status == 200
    assert path(stand) == ["home", "wide"]


def test_the_chain_of_a_cause_comes_before_that_for_any_and_the_callers_own_names_last() -> None:
    stand = chained({"any": ["b", "c"], "server_error": ["a", "b"]}, "a", "b", "c", "d")
    for name in ("home", "a", "b", "c"):
        stand.lane(name).always = refuses(500)
    done = stand.ask(headers={"x-switchgear-fallbacks": "c, d"})
    assert done.status == 200
    assert path(stand) == ["home", "a", "b", "c", "d"]


def test_a_chain_is_gone_down_to_its_end_after_the_chain_of_each_name_in_it() -> None:
    stand = Stand(
        {
            "fast": {**deployments("home/m"), "fallbacks": {"any": ["a", "c"]}},
            "a": {**deployments("a/m"), "fallbacks": {"any": ["b", "c"], "timeout": ["d"]}},
            **{name: deployments(f"{name}/m") for name in ("b", "c", "d")},
        },
        AT_ONCE,
    )
    for name in ("home", "a", "b"):
        stand.lane(name).always = refuses(500)
    assert stand.ask().status == 200
    assert path(stand) == ["home", "a", "b", "c"]


def test_a_chain_for_one_cause_goes_on_when_a_name_in_it_fails_for_another() -> None:
    stand = chained({"context_length": ["wide", "wider"], "any": ["small"]}, "wide", "wider", "small")
    stand.lane("home").always = refuses(413)
    stand.lane("wide").always = refuses(503)
    assert stand.ask().status == 200
    assert path(stand) == ["home", "wide", "wider"]


def test_what_is_left_of_a_chain_does_not_go_past_an_answer() -> None:
    stand = chained({"any": ["a", "b"], "context_length": ["wide"]}, "a", "b", "wide")
    stand.lane("home").always = refuses(500)
    stand.lane("a").answers(refuses(400, "content_filter"), refuses(413))
    done = stand.ask(headers={"x-switchgear-fallbacks": "b"})
    assert [cause for _, cause in done.whys] == ["server_error", "content_filter"]
    assert done.status == 400
    stand.sent.clear()
    assert stand.ask().status == 200
    assert path(stand) == ["home", "a", "wide"]


def test_names_lead_to_each_other_by_different_causes() -> None:
    stand = Stand(
        {
            "small": {**deployments("a/m"), "fallbacks": {"context_length": ["large"]}},
            "large": {**deployments("b/m"), "fallbacks": {"any": ["small"]}},
        },
        AT_ONCE,
    )
    stand.lane("a").answers(refuses(413))
    assert stand.ask("small").status == 200
    assert path(stand) == ["a", "b"]
    stand.sent.clear()
    stand.lane("b").answers(refuses(500))
    assert stand.ask("large").status == 200
    assert path(stand) == ["b", "a"]
    stand.sent.clear()
    stand.lane("a").answers(refuses(413))
    stand.lane("b").answers(refuses(500))
    assert stand.ask("small").status == 500
    assert path(stand) == ["a", "b"]


def test_chains_lead_on_from_name_to_name() -> None:
    stand = Stand(
        {
            "fast": {**deployments("a/m"), "fallbacks": {"any": ["second"]}},
            "second": {**deployments("b/m"), "fallbacks": {"any": ["third"]}},
            "third": deployments("c/m"),
        },
        AT_ONCE,
    )
    stand.lane("a").always = refuses(500)
    stand.lane("b").always = refuses(503)
    done = stand.ask()
    assert done.status == 200
    assert done.whys == [("", "server_error"), ("fallback", "overloaded"), ("fallback", "")]


@pytest.mark.parametrize("cause", ["any", "server_error"])
def test_no_name_is_entered_twice_whatever_the_table_says(cause: str) -> None:
    loop = ["fast", "second", "third"]
    stand = Stand({name: {**deployments(f"{name}/m"), "fallbacks": {cause: loop}} for name in loop}, AT_ONCE)
    for name in loop:
        stand.lane(name).always = refuses(500)
    done = stand.ask(headers={"x-switchgear-fallbacks": ",".join(loop)})
    assert done.status == 500
    assert path(stand) == loop


def test_a_chain_that_ends_in_failure_tells_the_last_one() -> None:
    stand = chained({"any": ["next"]}, "next")
    stand.lane("home").always = refuses(500)
    stand.lane("next").always = refuses(529)
    done = stand.ask()
    assert done.status == 529
    assert done.error is not None
    assert not done.error.retryable


def test_each_name_has_tries_of_its_own() -> None:
    stand = Stand(
        {
            "fast": {
                **deployments("a/m"),
                "fallbacks": {"any": ["second"]},
                "retries": {"attempts": 3, "base_seconds": 0},
            },
            "second": {**deployments("b/m"), "retries": {"attempts": 2, "base_seconds": 0}},
        }
    )
    stand.lane("a").always = refuses(500)
    stand.lane("b").always = refuses(500)
    stand.ask()
    assert path(stand) == ["a"] * 3 + ["b"] * 2
    stand.sent.clear()
    stand.ask(headers={"x-switchgear-retries": "0"})
    assert path(stand) == ["a", "b"]


@pytest.mark.parametrize("answer", [refuses(400, "content_filter"), refuses(500)])
def test_a_deployment_that_two_names_share_is_asked_once_and_does_not_keep_the_second_from_its_others(
    answer: Answer,
) -> None:
    models: Declared = {
        "fast": {**deployments("a/m"), "fallbacks": {"content_filter": ["second"], "any": ["second"]}},
        "second": deployments("a/m", "b/m", "c/m"),
    }
    for chance in range(10):
        stand = Stand(models, AT_ONCE)
        stand.drawn = 100 * chance
        stand.lane("a").always = answer
        assert stand.ask().status == 200
        assert path(stand)[0] == "a"
        assert path(stand)[1] in ("b", "c")


def test_lower_tiers_answer_while_any_deployment_in_them_can() -> None:
    models: Declared = {
        "fast": {
            "deployments": [
                {"model": "third/m", "tier": 9},
                {"model": "a/m"},
                {"model": "second/m", "tier": 1},
                {"model": "b/m"},
            ]
        }
    }
    stand = Stand(models, {"retries": {"base_seconds": 0, "attempts": 4}})
    for _ in range(20):
        stand.ask()
    assert set(path(stand)) == {"a", "b"}
    stand.sent.clear()
    for name in ("a", "b", "second"):
        stand.lane(name).answers(refuses(429, retry_after="30"))
    assert stand.ask().status == 200
    assert sorted(path(stand)[:2]) == ["a", "b"]
    assert path(stand)[2:] == ["second", "third"]


def test_a_higher_tier_answers_while_the_lower_one_rests_and_no_longer() -> None:
    models: Declared = {"fast": {"deployments": [{"model": "a/m"}, {"model": "b/m", "tier": 1}]}}
    stand = Stand(models, AT_ONCE)
    stand.lane("a").answers(refuses(429, retry_after="30"))
    stand.ask(headers={"x-switchgear-retries": "1"})
    stand.ask()
    stand.clock.advance(30)
    stand.ask()
    assert path(stand) == ["a", "b", "b", "a"]


def test_what_one_dialect_cannot_say_goes_to_a_deployment_that_speaks_the_clients_own() -> None:
    stand = Stand({"fast": deployments("foreign/m", "own/m")}, AT_ONCE, dialects={"foreign": "anthropic"})
    done = [stand.ask(**UNSAYABLE) for _ in range(10)]
    assert [each.status for each in done] == [200] * 10
    assert set(path(stand)) == {"own"}
    assert all(len(each.attempts) == 1 for each in done)


def test_when_none_speaks_it_the_field_is_refused_and_nothing_is_sent() -> None:
    stand = Stand({"fast": deployments("a/m", "b/m")}, dialects={"a": "anthropic", "b": "anthropic"})
    done = stand.ask(**UNSAYABLE)
    assert isinstance(done.error, UnsupportedField)
    assert (done.status, done.error.param) == (400, "logprobs")
    assert stand.sent == []
    assert done.attempts == []


def test_a_chain_for_unsupported_fields_is_followed() -> None:
    stand = chained({"any": ["b"], "unsupported": ["own"]}, "b", "own", home="anthropic")
    assert stand.ask(**UNSAYABLE).status == 200
    assert path(stand) == ["own"]


def test_an_upstreams_failure_is_told_rather_than_another_ones_dialect() -> None:
    stand = Stand({"fast": deployments("foreign/m", "own/m")}, AT_ONCE, dialects={"foreign": "anthropic"})
    stand.lane("own").always = refuses(500)
    assert [stand.ask(**UNSAYABLE).status for _ in range(4)] == [500] * 4


def test_an_operation_that_no_provider_offers_is_refused_and_may_have_a_chain() -> None:
    stand = Stand({"fast": deployments("a/m", "b/m")})
    done = stand.ask(operation="embeddings")
    assert isinstance(done.error, NotOffered)
    assert stand.sent == []


def test_a_fallback_that_does_not_offer_the_operation_does_not_hide_what_went_wrong() -> None:
    stand = chained({"any": ["next"]}, "next", next="embedder")
    stand.lane("home").always = refuses(529)
    assert stand.ask().status == 529


def test_a_fallback_that_rests_does_not_hide_what_went_wrong() -> None:
    stand = chained({"any": ["next"]}, "next")
    stand.lane("next").answers(refuses(429, retry_after="90"))
    stand.ask("next")
    stand.lane("home").always = refuses(500)
    assert stand.ask().status == 500


def test_a_name_whose_deployments_all_rest_leads_on_without_a_wait() -> None:
    stand = chained({"any": ["next"]}, "next")
    stand.lane("home").answers(refuses(429, retry_after="90"))
    stand.ask()
    done = stand.ask()
    assert done.status == 200
    assert path(stand) == ["home", "next", "next"]
    assert stand.seconds == 0


def test_a_fallback_wished_for_that_does_not_exist_is_refused_before_anything_is_sent() -> None:
    stand = chained({}, "next")
    done = stand.ask(headers={"x-switchgear-fallbacks": "nxt"})
    assert isinstance(done.error, ModelNotFound)
    assert "did you mean 'next'" in done.error.message
    assert stand.sent == []
