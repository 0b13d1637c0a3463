"""One deployment under several names: its bounds, its breaker and its provider's budget are the same under all."""

from switchgear.routing.policy import Bounds
from tests.routing.lanes import refuses
from tests.routing.stand import Stand, deployments

ONCE = {"retries": {"attempts": 1}}


def test_what_one_name_says_of_a_deployment_holds_under_a_name_that_is_silent() -> None:
    for names in (("bounded", "silent"), ("silent", "bounded")):
        declared = {
            "bounded": deployments("acme/m", max_in_flight=8, tokens_per_minute=1000),
            "silent": deployments("acme/m", waiting_seconds=5),
        }
        stand = Stand({name: declared[name] for name in names})
        assert stand.health("acme/m").bounds == Bounds(max_in_flight=8, tokens_per_minute=1000, waiting_seconds=5)


def test_a_rate_limit_counts_the_calls_by_all_names() -> None:
    stand = Stand({"a": deployments("acme/m", requests_per_minute=2), "b": deployments("acme/m")}, ONCE)
    assert [stand.ask(name).status for name in ("a", "b", "acme/m", "b")] == [200, 200, 503, 503]


def test_a_models_own_breaker_is_its_deployments_under_every_name() -> None:
    for names in (("careful", "other"), ("other", "careful")):
        declared = {
            "careful": {**deployments("acme/m"), "breaker": {"consecutive_failures": 1}},
            "other": deployments("acme/m", "spare/m"),
        }
        stand = Stand({name: declared[name] for name in names}, {**ONCE, "breaker": {"open_seconds": 9}})
        stand.lane("acme").answers(refuses(500))
        stand.ask("acme/m")
        assert stand.health("acme/m").breaker.state == "open"
        assert stand.health("acme/m").breaker.rules.open_seconds == 5
        assert stand.health("spare/m").breaker.rules.open_seconds == 9


def test_a_providers_budget_of_second_tries_is_the_one_that_a_model_says() -> None:
    for names in (("generous", "other"), ("other", "generous")):
        declared = {
            "generous": {**deployments("acme/m"), "retries": {"budget": 0.5}},
            "other": {**deployments("acme/n"), "retries": {"attempts": 2}},
        }
        stand = Stand({name: declared[name] for name in names}, {"retries": {"budget": 0.1}})
        assert stand.fleet.budgets["acme"].share == 0.5
    assert Stand({"a": deployments("acme/m")}, {"retries": {"budget": 0.1}}).fleet.budgets["acme"].share == 0.1
