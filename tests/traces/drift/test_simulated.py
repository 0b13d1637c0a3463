"""The simulations, with few runs and fixed seeds: what `make simulate` shows at length stays true."""

from collections.abc import Callable

import numpy as np
import pytest

from simulations.bars import CHECK_MILLISECONDS, FALSE_ALARMS, POWER, Bar, rows_of, status_of
from simulations.drift import RATES, alarms, bars_of_rates, embeddings
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


def test_a_bar_that_is_missed_is_told_and_fails_the_run_and_a_known_limit_is_only_told() -> None:
    cleared = [Bar("few", FALSE_ALARMS, 3.0), Bar("many", FALSE_ALARMS, 7.0), Bar("power", POWER, 99.3)]
    limit = Bar("bursts", FALSE_ALARMS, 9.8, is_limit=True)
    missed = [Bar("none", FALSE_ALARMS, 2.9), Bar("power", POWER, 94.9), Bar("slow", CHECK_MILLISECONDS, 151, "ms")]
    assert [row[-1] for row in rows_of([*cleared, limit])] == ["pass", "pass", "pass", "known limit"]
    assert rows_of(missed)[-1] == ("slow", "0 to 150 ms", "151.0 ms", "MISSED")
    assert status_of([*cleared, limit]) == 0
    assert [status_of([*cleared, bar]) for bar in missed] == [1, 1, 1]


def test_bars_are_read_off_the_tables_that_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    bars = {bar.what: bar for bar in bars_of_rates(1)}
    assert len(bars) == 2 * len(RATES)
    assert [what for what, bar in bars.items() if bar.is_limit] == [what for what in bars if "bursts" in what]
    assert capsys.readouterr().out.count("%") > 2 * len(bars)
