"""Tests of categories: Pearson's chi-square where its formula fits, and the PSI by permutation where it does not.

X^2 = sum (observed - expected)^2 / expected over the table of two windows and k categories, with k - 1 degrees of
freedom (Pearson 1900). It fits when every expected count is at least 5 (Cochran, "Some methods for strengthening the
common chi-square tests", Biometrics 1954). Categories that are too rare for that are put together first, by their count
in both windows, which says nothing of the difference between them.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from switchgear.traces.drift.permutation import Deals, Members, Statistic, Vector, deal, judged
from switchgear.traces.drift.psi import Counts, by_chance, index_of
from switchgear.traces.drift.result import Plan, Result, too_few

LEAST_EXPECTED: Final = 5
_BISECTIONS: Final = 100


def categories(
    monitor: str, reference: Sequence[str], current: Sequence[str], plan: Plan, deals: Deals | None = None
) -> Result:
    """Test whether the shares of categories differ.

    Effect size: the PSI less its mean by chance, as for numbers.
    """
    sizes = (len(reference), len(current))
    if min(sizes) < max(plan.least, 1):
        return too_few(monitor, "chi_square", sizes, plan)
    places = _places(Counter([*reference, *current]), min(sizes))
    columns = np.asarray([places[name] for name in (*reference, *current)], dtype=np.int64)
    bins = int(columns.max()) + 1
    table = np.stack([np.bincount(part, minlength=bins) for part in np.split(columns, [sizes[0]])]).astype(np.float64)
    index = float(index_of(table[:1], table[1:])[0])
    effect_size = max(index - by_chance(bins, sizes), 0.0)
    if bins > 1 and float(_expected(table).min()) < LEAST_EXPECTED:
        dealt = deal(_index(columns), sizes, plan, deals)
        return judged((monitor, "psi"), dealt, sizes, effect_size, plan)
    statistic = float(((table - _expected(table)) ** 2 / _expected(table)).sum())
    p_value = chi_square_tail(statistic, bins - 1)
    return Result(
        monitor=monitor,
        method="chi_square",
        verdict="drift" if p_value <= plan.level else "none",
        statistic=statistic,
        threshold=chi_square_critical(plan.level, bins - 1),
        p_value=p_value,
        effect_size=effect_size,
        reference_size=sizes[0],
        current_size=sizes[1],
        seed=plan.seed,
    )


def chi_square_tail(value: float, degrees: int) -> float:
    """P(X >= value) for a chi-square of ``degrees``, in closed form (Abramowitz and Stegun 26.4.4 and 26.4.5)."""
    if degrees < 1 or value <= 0:
        return 1.0
    half = value / 2
    odd = degrees % 2
    tail = math.erfc(math.sqrt(half)) if odd else 0.0
    powers = [index - 0.5 for index in range(1, degrees // 2 + 1)] if odd else range(degrees // 2)
    tail += sum(math.exp(-half + power * math.log(half) - math.lgamma(power + 1)) for power in powers)
    return min(tail, 1.0)


def chi_square_critical(level: float, degrees: int) -> float:
    """The value whose tail is ``level``; 0 without degrees of freedom."""
    if degrees < 1:
        return 0.0
    low, high = 0.0, 1.0
    while chi_square_tail(high, degrees) > level:
        high *= 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if chi_square_tail(middle, degrees) > level else (low, middle)
    return high


def _places(pooled: Mapping[str, int], smaller: int) -> dict[str, int]:
    """The column of each category: the common ones by themselves, all rare ones in a last one."""
    total = sum(pooled.values())
    least = math.ceil(LEAST_EXPECTED * total / smaller)
    common = sorted(name for name, count in pooled.items() if count >= least)
    places = {name: place for place, name in enumerate(common)}
    return {name: places.get(name, len(common)) for name in pooled}


def _expected(table: Counts) -> Counts:
    return np.asarray(table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum(), dtype=np.float64)


def _index(columns: np.ndarray) -> Statistic:
    indicators = np.eye(int(columns.max()) + 1, dtype=np.float32)[columns]
    totals = indicators.sum(axis=0, dtype=np.float64)

    def statistic(members: Members) -> Vector:
        reference = (members @ indicators).astype(np.float64)
        return index_of(reference, totals - reference)

    return statistic
