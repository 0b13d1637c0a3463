"""Each way to choose between deployments."""

from collections import Counter

import pytest

from switchgear.routing.balance import BALANCERS
from switchgear.routing.deployment import Deployment, Terms
from switchgear.routing.policy import UNBOUNDED, Balance, Bounds
from tests.routing.scripted import deployed
from tests.routing.stand import Stand
from tests.routing.test_route_table import connected

SECOND = 1_000_000_000


def deployment(name: str, bounds: Bounds = UNBOUNDED, *, weight: float = 1.0, cost: float = 0.0) -> Deployment:
    made = deployed(connected(), name, Terms(weight=weight, cost=cost))
    made.health.adopt(made.health.breaker.rules, bounds)
    return made


def draws(way: Balance, candidates: list[Deployment], count: int = 4000) -> dict[str, float]:
    """The share of each."""
    bits = Stand({}).random_bits
    balancer = BALANCERS[way]
    found = Counter(balancer(candidates, SECOND, bits).model for _ in range(count))
    return {name: number / count for name, number in found.items()}


def test_weights_are_chances() -> None:
    shares = draws("weighted", [deployment("a", weight=1), deployment("b", weight=2), deployment("c", weight=5)])
    assert shares == pytest.approx({"a": 0.125, "b": 0.25, "c": 0.625}, abs=0.03)


def test_the_least_busy_for_its_weight() -> None:
    busy, idle, heavy = deployment("busy"), deployment("idle"), deployment("heavy", weight=4)
    for _ in range(2):
        busy.health.gate.take()
    idle.health.gate.take()
    for _ in range(3):
        heavy.health.gate.take()
    assert draws("least_busy", [busy, idle, heavy]) == {"heavy": 1.0}
    heavy.health.gate.take()
    assert draws("least_busy", [busy, idle, heavy]) == pytest.approx({"idle": 0.2, "heavy": 0.8}, abs=0.03)


def test_of_two_the_faster_to_its_first_token() -> None:
    slow, fast = deployment("slow"), deployment("fast")
    slow.health.first_token(2 * SECOND, SECOND, streamed=True)
    fast.health.first_token(SECOND, SECOND, streamed=True)
    assert draws("fastest", [slow, fast]) == {"fast": 1.0}
    fast.health.gate.take()
    fast.health.gate.take()
    assert draws("fastest", [slow, fast]) == {"slow": 1.0}


def test_of_many_the_slowest_is_hardly_drawn_and_no_other_is_starved() -> None:
    many = [deployment(f"d{number}") for number in range(5)]
    for number, each in enumerate(many, 1):
        each.health.first_token(number * SECOND, SECOND, streamed=True)
    shares = draws("fastest", many)
    # In each pair the faster wins: 4, 3, 2 and 1 of the ten pairs.
    assert shares == pytest.approx({"d0": 0.4, "d1": 0.3, "d2": 0.2, "d3": 0.1}, abs=0.03)


def test_what_was_never_asked_is_tried_first() -> None:
    known, new = deployment("known"), deployment("new")
    known.health.first_token(SECOND, SECOND, streamed=True)
    assert draws("fastest", [known, new], 10) == {"new": 1.0}


def test_the_cheapest_and_among_equals_by_weight() -> None:
    candidates = [deployment("dear", cost=2), deployment("a", cost=1, weight=3), deployment("b", cost=1)]
    assert draws("cheapest", candidates) == pytest.approx({"a": 0.75, "b": 0.25}, abs=0.03)


def test_the_one_with_most_of_its_limits_left() -> None:
    used, free = deployment("used", Bounds(requests_per_minute=10)), deployment("free", Bounds(requests_per_minute=2))
    for _ in range(6):
        used.health.begin(SECOND)
    free.health.begin(SECOND)
    assert draws("headroom", [used, free], 10) == {"free": 1.0}
    assert draws("headroom", [used, free, deployment("unbounded")], 10) == {"unbounded": 1.0}


@pytest.mark.parametrize("way", BALANCERS)
def test_one_candidate_is_the_choice(way: Balance) -> None:
    assert draws(way, [deployment("only")], 1) == {"only": 1.0}
