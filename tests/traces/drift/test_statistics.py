"""The tests of two windows: exact where a formula says so, blind to nothing that changed, quiet where nothing did."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from simulations.windows import contaminated, costs, languages, lengths, topics
from switchgear.traces.drift.categories import categories, chi_square_critical, chi_square_tail
from switchgear.traces.drift.discoveries import adjusted, believed, needed_permutations
from switchgear.traces.drift.embedded import mean_distance, mmd
from switchgear.traces.drift.permutation import ENOUGH_REACHED, Deals, Members, Vector, deal
from switchgear.traces.drift.psi import by_chance, index_of, psi
from switchgear.traces.drift.result import Plan, Result

BOTH = pytest.mark.parametrize("test", [mean_distance, mmd], ids=["mean_distance", "mmd"])
Test = Callable[[np.ndarray, np.ndarray, Plan], Result]
PLAN = Plan(seed=7)
SMALL = Plan(seed=7, least=2)


def windows(share: float, seed: int = 3, count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return topics(1)(chance, count), contaminated(topics(1), topics(2, middle=1), share)(chance, count)


@BOTH
def test_a_quarter_of_strange_inputs_is_drift(test: Test) -> None:
    result = test(*windows(0.25), PLAN)
    assert result.verdict == "drift"
    assert result.statistic > result.threshold
    assert result.p_value <= 0.05
    assert result.effect_size > 0.02
    assert (result.reference_size, result.current_size, result.seed) == (500, 500, 7)


@BOTH
def test_the_same_inputs_are_no_drift_and_have_no_effect(test: Test) -> None:
    reference, _ = windows(0)
    result = test(reference, reference, PLAN)
    assert result.verdict == "none"
    assert result.effect_size == 0


@BOTH
def test_inputs_that_are_all_equal_are_no_drift(test: Test) -> None:
    same = np.ones((500, 8), dtype=np.float32)
    assert test(same, same, PLAN).p_value > 0.9


@BOTH
def test_equal_seeds_give_equal_results(test: Test) -> None:
    assert test(*windows(0.1), PLAN) == test(*windows(0.1), PLAN)


@BOTH
def test_windows_below_the_least_are_not_judged(test: Test) -> None:
    reference, current = windows(0.25)
    result = test(reference, current[:499], PLAN)
    assert result.verdict == "too_few"
    assert "500" in result.reason


@BOTH
def test_embeddings_of_two_kinds_are_not_compared(test: Test) -> None:
    result = test(np.zeros((500, 8), dtype=np.float32), np.zeros((500, 9), dtype=np.float32), PLAN)
    assert (result.verdict, result.reason) == ("too_few", "embeddings of 8 and of 9 dimensions cannot be compared")


def test_mmd_sees_a_change_of_spread_that_the_means_do_not_show() -> None:
    chance = np.random.default_rng(5)
    reference = chance.standard_normal((500, 16)).astype(np.float32)
    current = (1.3 * chance.standard_normal((500, 16))).astype(np.float32)
    assert mmd(reference, current, PLAN).verdict == "drift"
    assert mean_distance(reference, current, PLAN).verdict == "none"


def test_mmd_is_its_formula() -> None:
    chance = np.random.default_rng(6)
    first, second = (chance.standard_normal((count, 4)).astype(np.float32) for count in (9, 7))
    pooled = np.concatenate([first, second]).astype(np.float64)
    squares = ((pooled[:, None] - pooled[None]) ** 2).sum(axis=2)
    kernel = np.exp(-squares / (2 * np.median(squares[np.triu_indices(16, 1)])))
    across = kernel[:9, 9:].mean()
    within = [(part.sum() - len(part)) / (len(part) * (len(part) - 1)) for part in (kernel[:9, :9], kernel[9:, 9:])]
    assert mmd(first, second, SMALL).statistic == pytest.approx(sum(within) - 2 * across, abs=1e-5)


def test_dealing_by_chance_comes_near_the_share_of_all_deals() -> None:
    values = np.asarray([1.0, 2.0, 3.0, 4.0, 9.0, 8.0, 7.0, 3.5])

    def statistic(members: Members) -> Vector:
        return np.abs(members.astype(np.float64) @ values / 4 - (1 - members.astype(np.float64)) @ values / 4)

    seen = abs(values[:4].mean() - values[4:].mean())
    deals = list(itertools.combinations(range(8), 4))
    total = values.sum()
    exact = sum(abs(2 * values[list(some)].sum() - total) / 4 >= seen - 1e-9 for some in deals) / len(deals)
    dealt = deal(statistic, (4, 4), Plan(seed=1, permutations=20_000))
    assert dealt.p_value == pytest.approx(exact, rel=0.3)
    assert dealt.permutations < 20_000


def test_dealing_stops_once_enough_deals_have_reached_what_was_seen() -> None:
    dealt = deal(lambda members: np.zeros(len(members)), (10, 10), Plan(permutations=9_999))
    assert dealt.p_value == 1
    assert ENOUGH_REACHED <= dealt.permutations <= 250


def test_each_deal_fills_both_windows_and_puts_each_input_in_either_as_often() -> None:
    deals = Deals(3)
    blocks = np.concatenate([deals.block((3, 9), number) for number in range(8)])
    assert set(blocks.sum(axis=1)) == {3}
    assert blocks.mean(axis=0) == pytest.approx(np.full(12, 0.25), abs=0.05)
    assert len({row.tobytes() for row in blocks}) == 220, "each of the deals that there are came"


def test_tests_that_look_at_the_same_deals_say_what_they_say_by_themselves() -> None:
    reference, current = windows(0.1)
    deals = Deals(PLAN.seed)
    assert mmd(reference, current, PLAN, deals) == mmd(reference, current, PLAN)
    assert mean_distance(reference, current, PLAN, deals) == mean_distance(reference, current, PLAN)


def test_psi_is_its_formula() -> None:
    reference, current = np.asarray([[30.0, 70.0]]), np.asarray([[50.0, 50.0]])
    shares = (30.5 / 101, 70.5 / 101)
    expected = (0.5 - shares[0]) * np.log(0.5 / shares[0]) + (0.5 - shares[1]) * np.log(0.5 / shares[1])
    assert index_of(reference, current)[0] == pytest.approx(expected)


def test_psi_without_a_change_is_what_chance_adds_and_its_effect_is_next_to_nothing() -> None:
    results = [psi("length", lengths(chance, 500), lengths(chance, 500), PLAN) for chance in generators(25)]
    assert np.mean([result.statistic for result in results]) == pytest.approx(by_chance(10, (500, 500)), rel=0.2)
    assert np.mean([result.effect_size for result in results]) < 0.01


def test_psi_finds_longer_and_dearer_inputs() -> None:
    chance = np.random.default_rng(8)
    assert psi("length", lengths(chance, 500), lengths(chance, 500, 1.5), PLAN).verdict == "drift"
    assert psi("cost", costs(chance, 500), costs(chance, 500, 2.0), PLAN).verdict == "drift"


def test_psi_of_values_that_are_all_equal_is_nothing() -> None:
    result = psi("cost", [0.0] * 500, [0.0] * 500, PLAN)
    assert (result.verdict, result.statistic) == ("none", 0.0)


@pytest.mark.parametrize(
    ("value", "degrees", "tail"),
    [(3.841, 1, 0.05), (5.991, 2, 0.05), (7.815, 3, 0.05), (27.877, 9, 0.001), (43.773, 30, 0.05)],
)
def test_chi_square_tails_are_those_of_the_tables(value: float, degrees: int, tail: float) -> None:
    assert chi_square_tail(value, degrees) == pytest.approx(tail, rel=2e-3)
    assert chi_square_critical(tail, degrees) == pytest.approx(value, rel=2e-3)


def test_categories_are_tested_by_chi_square_where_it_fits_and_rare_ones_together() -> None:
    chance = np.random.default_rng(9)
    still = categories("language", languages(chance, 500), languages(chance, 500), PLAN)
    moved = categories("language", languages(chance, 500), languages(chance, 500, 0.2), PLAN)
    assert (still.method, still.verdict) == ("chi_square", "none")
    assert (moved.verdict, moved.statistic > moved.threshold, moved.effect_size > 0.02) == ("drift", True, True)


def test_categories_too_rare_for_chi_square_are_tested_by_dealing() -> None:
    result = categories("tools", ["none"] * 500, ["none"] * 497 + ["search"] * 3, PLAN)
    assert (result.method, result.verdict) == ("psi", "none")
    assert result.permutations > 0


def test_one_category_alone_is_no_drift() -> None:
    assert categories("tools", ["none"] * 500, ["none"] * 500, PLAN).verdict == "none"


def test_benjamini_and_hochberg_adjust_as_in_their_paper() -> None:
    """Its example of 15 hypotheses: four are findings at 0.05."""
    values = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    judged = adjusted(values)
    assert sum(value <= 0.05 for value in judged) == 4
    assert judged[3] == pytest.approx(0.0095 * 15 / 4)
    assert list(adjusted(values[::-1])) == list(judged)[::-1]
    harmonic = sum(1 / rank for rank in range(1, 16))
    assert adjusted(values, "benjamini_yekutieli")[3] == pytest.approx(min(1, 0.0095 * 15 / 4 * harmonic))
    assert adjusted([]) == ()


def test_windows_that_were_too_small_count_for_nothing_among_many() -> None:
    made = Result(monitor="length", method="psi", verdict="drift", p_value=0.04, reference_size=500, current_size=500)
    small = Result(monitor="cost", method="psi", verdict="too_few", reference_size=5, current_size=5)
    assert [result.verdict for result in believed([made, small], 0.05)] == ["drift", "too_few"]
    assert [result.verdict for result in believed([made, made, made], 0.03)] == ["none"] * 3


def test_more_tests_want_more_permutations_up_to_a_bound() -> None:
    assert [needed_permutations(tests, 0.05, 999, 9_999) for tests in (0, 6, 60, 6000)] == [999, 999, 2400, 9_999]


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([11, index]) for index in range(count)]
