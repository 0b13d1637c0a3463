"""Gauges of deployments, as Prometheus' own parser reads them."""

from prometheus_client.parser import text_string_to_metric_families

from switchgear.routing.report import BudgetReport, DeploymentReport, FleetReport, SilentGateway, Word
from switchgear.traces.gauges import exposition


def samples(*reports: FleetReport) -> dict[tuple[str, str], float]:
    """Values by name and the one label's value."""
    return {
        (sample.name, next(iter(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(exposition(Word(reports=reports)))
        for sample in family.samples
        if sample.labels
    }


def test_the_state_of_each_deployment_over_all_gateways_is_shown() -> None:
    one = DeploymentReport(name="a/m#2", breaker="open", opened=2, in_flight=1, first_token_seconds=0.25)
    other = DeploymentReport(name="a/m#2", opened=1, in_flight=2, waiting=3, cool_until_ns=1)
    found = samples(
        FleetReport(gateway="g0", deployments=(one,)),
        FleetReport(gateway="g1", deployments=(other, DeploymentReport(name="b/m", breaker="half_open"))),
    )
    assert found["switchgear_breaker_state", "a/m#2"] == 2
    assert found["switchgear_breaker_state", "b/m"] == 1
    assert found["switchgear_breaker_opened", "a/m#2"] == 3
    assert found["switchgear_deployment_in_flight", "a/m#2"] == 3
    assert found["switchgear_deployment_waiting", "a/m#2"] == 3
    assert found["switchgear_deployment_cooling", "a/m#2"] == 1
    assert found["switchgear_deployment_first_token_seconds", "a/m#2"] == 0.25
    assert ("switchgear_deployment_first_token_seconds", "b/m") not in found


def test_second_tries_are_shown_for_each_provider_and_hedges_for_each_model() -> None:
    budget = BudgetReport(name="a", left=8, spent=2)
    one = FleetReport(gateway="g0", retry_budgets=(budget,))
    other = FleetReport(gateway="g1", retry_budgets=(budget,), hedge_budgets=(BudgetReport(name="m", left=3, spent=1),))
    found = {named: value for named, value in samples(one, other).items() if "_budget_" in named[0]}
    assert found == {
        ("switchgear_retry_budget_left", "a"): 16,
        ("switchgear_retry_budget_spent", "a"): 4,
        ("switchgear_hedge_budget_left", "m"): 3,
        ("switchgear_hedge_budget_spent", "m"): 1,
    }


def test_what_servers_say_of_their_queues_is_shown_where_they_say_something() -> None:
    one = DeploymentReport(name="a/m", server_running=4, server_waiting=0, server_cache_usage=0.25)
    other = DeploymentReport(name="a/m", server_running=3, server_waiting=2)
    found = samples(
        FleetReport(gateway="g0", deployments=(one, DeploymentReport(name="b/m"))),
        FleetReport(gateway="g1", deployments=(other,)),
    )
    assert {key: value for key, value in found.items() if "_server_" in key[0]} == {
        ("switchgear_deployment_server_running", "a/m"): 4,
        ("switchgear_deployment_server_waiting", "a/m"): 2,
        ("switchgear_deployment_server_cache_usage", "a/m"): 0.25,
    }


def test_gateways_that_fell_silent_are_counted() -> None:
    assert "\nswitchgear_silent_gateways 0\n" in exposition(Word())
    silent = SilentGateway(gateway="g0", age_seconds=12.0)
    assert "\nswitchgear_silent_gateways 1\n" in exposition(Word(silent=(silent,)))


def test_without_gateways_nothing_is_shown() -> None:
    assert samples() == {}


def test_connections_are_shown_for_each_gateway() -> None:
    found = samples(FleetReport(gateway="g0", connections=3), FleetReport(gateway="g1", turned_away=2))
    assert found["switchgear_connections", "g0"] == 3
    assert found["switchgear_connections_turned_away", "g1"] == 2


def test_it_is_shown_for_each_gateway_whether_it_can_ask_the_shared_counters() -> None:
    found = samples(FleetReport(gateway="g0"), FleetReport(gateway="g1", counters_reachable=False, counters_owed=7))
    assert [found["switchgear_counters_reachable", gateway] for gateway in ("g0", "g1")] == [1, 0]
    assert [found["switchgear_counters_owed", gateway] for gateway in ("g0", "g1")] == [0, 7]
