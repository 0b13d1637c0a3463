"""Permutation tests: how a statistic of two windows falls out when their inputs are dealt to them by chance.

A statistic is computed for many deals at once: a row of ``members`` is one deal, 1 for each pooled input that is in the
reference window. It must depend on the pooled inputs and the deal alone; then the test is exact at any size, as long as
inputs are exchangeable, that is: come independently of each other.

p = (1 + #{T_b >= T}) / (1 + B), Phipson and Smyth, "Permutation p-values should never be zero" (2010). Drawing stops
early, by Besag and Clifford, "Sequential Monte Carlo p-values" (Biometrika 1991): at the deal l with which h of them
have reached T, p = h / l, which is exact too. So many deals are paid for only where something has changed.

Tests of the same inputs may look at the same deals, as Westfall and Young do ("Resampling-Based Multiple Testing",
1993): each is exact by itself, and drawing, which costs as much as looking, is paid for once.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from switchgear.traces.drift.result import Plan, Result

Members = npt.NDArray[np.float32]
"""One row for each deal: 1 where the pooled input is in the reference window, else 0."""
Vector = npt.NDArray[np.float64]
Statistic = Callable[[Members], Vector]
"""One value for each deal; large means different."""

Draw = Callable[[int], Vector]
"""The statistic of so many more deals."""

ENOUGH_REACHED: Final = 50
_BLOCK: Final = 250
_KEYS: Final = 1 << 32
_ROUNDING: Final = 1e-6
"""Deals that differ from what was seen by less, relative to their spread, are equal to it."""


class Dealt(Struct, frozen=True, kw_only=True):
    """A statistic beside what chance makes of it."""

    statistic: float
    threshold: float
    p_value: float
    permutations: int


class Deals:
    """Deals of one seed, the same ones each time; kept as long as this is, a byte for each input of a deal."""

    __slots__ = ("_drawn", "_generators", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[tuple[int, int], np.random.Generator] = {}
        self._drawn: dict[tuple[int, int], list[npt.NDArray[np.bool_]]] = {}

    def block(self, sizes: tuple[int, int], number: int) -> npt.NDArray[np.bool_]:
        """``_BLOCK`` deals to windows of these sizes; blocks are asked for in their order, and may be asked again."""
        drawn = self._drawn.setdefault(sizes, [])
        if number == len(drawn):
            generator = self._generators.setdefault(sizes, np.random.default_rng(self.seed))
            drawn.append(_drawn(generator, sizes))
        return drawn[number]


def deal(statistic: Statistic, sizes: tuple[int, int], plan: Plan, deals: Deals | None = None) -> Dealt:
    """Test ``statistic`` on pooled inputs, of which the first ``sizes[0]`` are the reference window's.

    Without ``deals`` they are drawn by the plan's seed, and forgotten.
    """
    of = Deals(plan.seed) if deals is None else deals
    seen_members = np.zeros((1, sum(sizes)), dtype=np.float32)
    seen_members[0, : sizes[0]] = 1
    number = 0

    def draw(count: int) -> Vector:
        nonlocal number
        members = of.block(sizes, number)[:count].astype(np.float32)
        number += 1
        return statistic(members)

    return compared(float(statistic(seen_members)[0]), draw, plan)


def compared(seen: float, draw: Draw, plan: Plan) -> Dealt:
    """What was seen beside what ``draw`` gives, block by block, until enough of it has reached that or all is drawn."""
    drawn: list[Vector] = []
    reached = 0
    count = 0
    while count < plan.permutations:
        block = min(_BLOCK, plan.permutations - count)
        values = draw(block)
        drawn.append(values)
        slack = _ROUNDING * float(np.std(values)) + float(np.finfo(np.float32).tiny)
        reaches = np.cumsum(values >= seen - slack) + reached
        if reaches[-1] >= ENOUGH_REACHED:
            stopped_at = count + int(np.searchsorted(reaches, ENOUGH_REACHED)) + 1
            return _dealt(seen, drawn, ENOUGH_REACHED / stopped_at, plan)
        reached = int(reaches[-1])
        count += block
    return _dealt(seen, drawn, (reached + 1) / (count + 1), plan)


def _drawn(generator: np.random.Generator, sizes: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Each input is dealt a number, and those with the smallest ones are the reference window.

    That is every deal with equal chance as long as no two numbers meet at the border; a row where they do (one in
    millions) is drawn again.
    """
    first, total = sizes[0], sum(sizes)
    keys = generator.integers(0, _KEYS, size=(_BLOCK, total), dtype=np.uint32)
    members = keys <= np.partition(keys, first - 1, axis=1)[:, first - 1 : first]
    for row in np.flatnonzero(np.count_nonzero(members, axis=1) != first):
        members[row] = generator.permutation(np.arange(total) < first)
    return members


def _dealt(seen: float, drawn: list[Vector], p_value: float, plan: Plan) -> Dealt:
    values = np.concatenate(drawn)
    threshold = float(np.quantile(values, 1 - plan.level))
    return Dealt(statistic=seen, threshold=threshold, p_value=p_value, permutations=values.size)


def judged(names: tuple[str, str], dealt: Dealt, sizes: tuple[int, int], effect_size: float, plan: Plan) -> Result:
    """The result for monitor and method ``names``."""
    return Result(
        monitor=names[0],
        method=names[1],
        verdict="drift" if dealt.p_value <= plan.level else "none",
        statistic=dealt.statistic,
        threshold=dealt.threshold,
        p_value=dealt.p_value,
        effect_size=effect_size,
        reference_size=sizes[0],
        current_size=sizes[1],
        permutations=dealt.permutations,
        seed=plan.seed,
    )
