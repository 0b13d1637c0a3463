"""How much may be tried again."""

from hypothesis import given
from hypothesis import strategies as some

from switchgear.routing.budget import CEILING, RESERVE, Budget


def test_an_idle_upstream_has_a_small_reserve() -> None:
    budget = Budget(0.2)
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    assert budget.spent == 10


def test_five_calls_earn_one_more() -> None:
    budget = Budget(0.25, reserve=0)
    earned: list[bool] = []
    for _ in range(8):
        budget.calls += 1
        earned.append(budget.spend())
    assert earned == [False, False, False, True] * 2


def test_a_quiet_day_does_not_pay_for_a_storm() -> None:
    budget = Budget(1.0)
    for _ in range(10_000):
        budget.calls += 1
    assert sum(budget.spend() for _ in range(10_000)) == CEILING


@given(steps=some.lists(some.booleans(), max_size=400), share=some.floats(0, 1))
def test_never_more_than_the_share_and_the_reserve(steps: list[bool], share: float) -> None:
    budget = Budget(share)
    earned = 0
    for earns in steps:
        if earns:
            budget.calls += 1
            earned += 1
        else:
            budget.spend()
        assert budget.spent <= RESERVE + share * earned + 1e-6
