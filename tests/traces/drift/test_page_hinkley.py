"""Page-Hinkley: finds when a rate rose, however traffic grew, and takes no burst of a usual kind for a rise."""

import numpy as np
import pytest

from simulations.drift import alarms, rising
from switchgear.kernel.query import Group
from switchgear.traces.drift.page_hinkley import MOST_STEPS, Step, page_hinkley, spread, sums
from switchgear.traces.drift.rates import courses
from switchgear.traces.drift.result import Plan

PLAN = Plan(seed=5)
HOUR_NS = 3_600_000_000_000


def steps(hours: int, trials: int, events: int, first: int = 0) -> list[Step]:
    return [Step((first + hour) * HOUR_NS, trials, events) for hour in range(hours)]


def test_a_rise_is_found_with_its_beginning_and_how_large_it_is() -> None:
    result = page_hinkley("errors", steps(48, 50, 1), [*steps(18, 50, 1), *steps(6, 50, 6, first=18)], PLAN)
    assert (result.verdict, result.method) == ("drift", "page_hinkley")
    assert result.since == "1970-01-01T18:00:00+00:00"
    assert result.effect_size == pytest.approx(0.1)
    assert (result.reference_size, result.current_size) == (2400, 1200)
    assert result.statistic > result.threshold


def test_a_rate_that_stays_or_falls_is_none_whatever_the_traffic() -> None:
    for now in (steps(24, 50, 1), steps(24, 500, 10), steps(24, 50, 0)):
        result = page_hinkley("errors", steps(48, 50, 1), now, PLAN)
        assert result.verdict == "none", now[0]
    assert (result.statistic, result.effect_size, result.since) == (0, 0, "")


def test_few_calls_are_not_judged_and_rates_of_nothing_and_of_everything_are() -> None:
    assert page_hinkley("errors", steps(48, 50, 1), steps(9, 50, 50), PLAN).verdict == "too_few"
    assert page_hinkley("errors", [], [], PLAN).verdict == "too_few"
    assert page_hinkley("errors", steps(48, 50, 0), steps(24, 50, 0), PLAN).verdict == "none"
    assert page_hinkley("errors", steps(48, 50, 50), steps(24, 50, 50), PLAN).verdict == "none"
    assert page_hinkley("errors", steps(48, 50, 0), steps(24, 50, 1), PLAN).verdict == "drift"


def test_billions_of_calls_are_judged_too() -> None:
    many = 100_000_000
    for events, verdict in ((many // 100, "none"), (many // 75, "drift")):
        assert page_hinkley("errors", steps(48, many, many // 100), steps(24, many, events), PLAN).verdict == verdict


def test_the_sum_is_that_of_pages_scheme_with_walds_steps() -> None:
    events, trials = np.asarray([[10, 0, 3, 1]]), np.asarray([100, 20, 20, 20])
    cost = np.log1p(0.5 * 10.5 / 101)
    first = max(0.0, -20 * cost)
    second = max(0.0, first + 3 * np.log(1.5) - 20 * cost)
    third = max(0.0, second + np.log(1.5) - 20 * cost)
    assert sums(events, trials)[0] == pytest.approx([first, second, third])


def test_hours_that_differ_more_than_chance_makes_them_are_seen_to() -> None:
    chance = np.random.default_rng(1)
    alone = np.asarray([np.full(400, 100), chance.binomial(100, 0.05, 400)])
    alike = np.asarray([np.full(400, 100), chance.binomial(100, chance.beta(0.45, 8.55, 400))])
    assert spread(alone) == pytest.approx(0, abs=0.005)
    assert spread(alike) == pytest.approx(0.1, rel=0.3)
    assert spread(alike[:, :9]) == 0


def test_of_more_steps_than_are_looked_at_neighbours_are_taken_together() -> None:
    now = [*steps(MOST_STEPS * 2, 20, 0), *steps(MOST_STEPS, 20, 1, first=MOST_STEPS * 2)]
    result = page_hinkley("errors", steps(700, 20, 0), now, PLAN)
    assert (result.verdict, result.since) == ("drift", "1970-01-05T00:00:00+00:00")


def test_false_alarms_are_as_few_as_stated_with_traffic_grown_and_in_bursts() -> None:
    for burst in (0.0, 0.01):
        assert alarms(rising((0.02, burst), (50, 150), 1.0, 24), 60).alarms <= 0.12, burst
    assert alarms(rising((0.02, 0.0), (50, 50), 3.0, 6), 20).alarms >= 0.9


def test_calls_are_counted_by_how_they_ended() -> None:
    def group(status: str, finish: str | None, hour: int, count: int) -> Group:
        return Group(values=(status, finish), bucket_ns=hour, measures=(count,))

    counted = courses(
        [
            group("ok", "stop", 2, 7),
            group("error", None, 1, 2),
            group("ok", "refusal", 1, 1),
            group("ok", "content_filter", 1, 1),
            group("ok", "length", 1, 4),
        ]
    )
    assert counted == {
        "errors": [Step(1, 8, 2), Step(2, 7, 0)],
        "refusals": [Step(1, 6, 2), Step(2, 7, 0)],
        "cut_off": [Step(1, 6, 4), Step(2, 7, 0)],
    }
