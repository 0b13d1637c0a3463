"""The simulations, with few runs and fixed seeds: what `make simulate` shows at length stays true."""

from collections.abc import Callable

import numpy as np
import pytest

from simulations.drift import alarms, embeddings
from simulations.windows import languages, lengths, topics
from switchgear.traces.drift.categories import categories
from switchgear.traces.drift.embedded import mean_distance, mmd
from switchgear.traces.drift.psi import psi
from switchgear.traces.drift.result import Result

Test = Callable[..., Result]
FEW = (250, 250)


@pytest.mark.parametrize("test", [mean_distance, mmd], ids=["mean_distance", "mmd"])
def test_embeddings_alarm_seldom_without_a_change_and_nearly_always_with_a_quarter_strange(test: Test) -> None:
    usual, strange = topics(1), topics(2, middle=1)
    assert alarms(embeddings(test, usual, strange, 0.0, FEW), 60, permutations=199).alarms <= 0.12
    assert alarms(embeddings(test, usual, strange, 0.25, (500, 500)), 8, permutations=199).alarms >= 0.85


def test_numbers_and_categories_alarm_seldom_without_a_change() -> None:
    numbers = alarms(lambda chance, plan: psi("length", lengths(chance, 100), lengths(chance, 300), plan), 120)
    names = alarms(
        lambda chance, plan: categories("language", languages(chance, 300), languages(chance, 200), plan), 300
    )
    assert 0.01 <= numbers.alarms <= 0.1
    assert 0.01 <= names.alarms <= 0.09


def test_the_same_seed_simulates_the_same() -> None:
    def check(chance: np.random.Generator, plan: object) -> Result:
        return psi("length", lengths(chance, 50), lengths(chance, 50), plan)  # pyright: ignore[reportArgumentType]

    assert alarms(check, 20).alarms == alarms(check, 20).alarms
