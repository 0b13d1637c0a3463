"""A new configuration: what is known of deployments goes on, what is declared of them changes."""

from switchgear.routing.fleet import Fleet
from switchgear.routing.policy import UNBOUNDED, Bounds, BreakerRules
from tests.routing.lanes import refuses
from tests.routing.stand import Stand, deployments

ONCE = {"retries": {"attempts": 1}}


def test_a_rate_limit_is_remembered_under_a_new_configuration() -> None:
    stand = Stand({"fast": deployments("acme/m")}, ONCE)
    stand.lane("acme").answers(refuses(429, retry_after="20"))
    stand.ask()
    stand.declare({"fast": deployments("acme/m"), "new": deployments("acme/m")}, ONCE)
    assert stand.ask("new").status == 429
    assert len(stand.sent) == 1
    stand.clock.advance(20)
    assert stand.ask("new").status == 200


def test_an_open_breaker_stays_open_and_follows_new_rules_once_it_has_closed() -> None:
    stand = Stand({"fast": deployments("acme/m")}, {**ONCE, "breaker": {"consecutive_failures": 2}})
    lane = stand.lane("acme")
    lane.answers(*[refuses(500)] * 2)
    stand.ask()
    stand.ask()
    stand.declare({"fast": deployments("acme/m")}, {**ONCE, "breaker": {"consecutive_failures": 1, "open_seconds": 30}})
    assert stand.ask().status == 503
    stand.clock.advance(5)
    assert stand.ask().status == 200
    lane.answers(refuses(500))
    stand.ask()
    stand.clock.advance(29)
    assert stand.ask().status == 503
    stand.clock.advance(1)
    assert stand.ask().status == 200


def test_a_closed_breaker_is_under_the_new_rules_at_once() -> None:
    fleet = Fleet()
    health = fleet.health("acme/m", BreakerRules(), UNBOUNDED)
    rules = BreakerRules(consecutive_failures=1, open_seconds=30.0, window_seconds=300.0)
    assert fleet.health("acme/m", rules, UNBOUNDED) is health
    health.breaker.failed(0)
    assert (health.breaker.state, health.breaker.until_ns) == ("open", 30_000_000_000)


def test_a_longer_window_counts_longer() -> None:
    fleet = Fleet()
    rules = BreakerRules(consecutive_failures=1000, minimum_calls=2)
    breaker = fleet.health("acme/m", rules, UNBOUNDED).breaker
    breaker.failed(0)
    fleet.health("acme/m", BreakerRules(consecutive_failures=1000, minimum_calls=2, window_seconds=300.0), UNBOUNDED)
    breaker.failed(0)
    breaker.failed(200_000_000_000)
    assert breaker.state == "open"


def test_bounds_change_for_the_calls_to_come() -> None:
    stand = Stand({"fast": deployments("acme/m")})
    stand.ask()
    stand.declare({"fast": deployments("acme/m", requests_per_minute=2)})
    assert [stand.ask().status for _ in range(3)] == [200, 200, 503]
    stand.declare({"fast": deployments("acme/m", requests_per_minute=3)})
    assert [stand.ask().status for _ in range(2)] == [200, 503]
    stand.declare({"fast": deployments("acme/m")})
    assert stand.ask().status == 200


def test_a_call_by_the_providers_own_name_does_not_undo_what_an_alias_declares_of_it() -> None:
    stand = Stand({"fast": deployments("acme/m", requests_per_minute=2)}, ONCE)
    assert [stand.ask(name).status for name in ("fast", "acme/m", "fast", "acme/m")] == [200, 200, 503, 503]


def test_nor_the_share_of_second_tries_it_allows() -> None:
    fleet = Fleet()
    fleet.budget("acme", 0.05)
    assert fleet.budget("acme", 0.2, declared=False).share == 0.05
    assert fleet.budget("acme", 0.1).share == 0.1


def test_a_deployment_that_is_no_more_is_forgotten_unless_a_call_is_under_way() -> None:
    fleet = Fleet()
    for name in ("kept", "busy", "gone"):
        fleet.health(name, BreakerRules(), UNBOUNDED)
    fleet.health("busy", BreakerRules(), UNBOUNDED).gate.take()
    fleet.keep(["kept"])
    assert [health.name for health in fleet] == ["kept", "busy"]


def test_a_name_that_nobody_declared_keeps_its_health_while_it_is_in_use() -> None:
    stand = Stand({"fast": deployments("acme/m")}, {**ONCE, "breaker": {"consecutive_failures": 2}})
    stand.lane("acme").answers(*[refuses(500)] * 2)
    stand.ask("acme/other")
    stand.ask("acme/other")
    stand.declare({"fast": deployments("acme/m")}, ONCE)
    assert stand.ask("acme/other").status == 503
    assert len(stand.sent) == 2


def used(fleet: Fleet, name: str, seconds: float) -> None:
    """A call at ``seconds``, begun and over."""
    health = fleet.health(name, BreakerRules(), UNBOUNDED, declared=False)
    now_ns = round(seconds * 1_000_000_000)
    health.begin(now_ns, has_place=False)
    health.end(0, now_ns)


def test_a_name_that_was_not_used_for_long_is_forgotten() -> None:
    fleet = Fleet()
    used(fleet, "acme/old", 0)
    used(fleet, "acme/new", 1000)
    used(fleet, "acme/newest", 1800)
    fleet.keep([])
    assert [health.name for health in fleet] == ["acme/new", "acme/newest"]


def test_of_many_names_in_use_those_used_last_are_kept() -> None:
    fleet = Fleet()
    for number in range(3000):
        used(fleet, f"acme/{number}", number / 1000)
    fleet.keep(["acme/declared"])
    kept = [health.name for health in fleet]
    assert kept == [f"acme/{number}" for number in range(1976, 3000)]


def test_a_name_in_use_is_forgotten_with_its_provider() -> None:
    fleet = Fleet()
    used(fleet, "acme/m", 0)
    used(fleet, "acme.two/m", 0)
    fleet.keep([], providers={"acme.two"})
    assert [health.name for health in fleet] == ["acme.two/m"]


def test_a_deployment_that_was_declared_and_is_no_more_is_forgotten_although_it_was_used() -> None:
    stand = Stand({"fast": deployments("acme/m", "acme/gone")})
    for _ in range(20):
        stand.ask()
    stand.declare({"fast": deployments("acme/m")})
    assert [health.name for health in stand.fleet] == ["acme/m"]


def test_names_that_callers_make_up_do_not_fill_the_memory() -> None:
    stand = Stand({"fast": deployments("acme/m")})
    find = stand.table().find
    for number in range(20_000):
        find(f"acme/{number}")
    assert sum(1 for _ in stand.fleet) <= 16_384


def test_the_same_bounds_again_change_nothing() -> None:
    fleet = Fleet()
    health = fleet.health("acme/m", BreakerRules(), UNBOUNDED)
    assert health.is_plain
    fleet.health("acme/m", BreakerRules(), Bounds(max_in_flight=1))
    assert not health.is_plain
    fleet.health("acme/m", BreakerRules(), UNBOUNDED)
    assert health.is_plain
