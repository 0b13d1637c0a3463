"""The population stability index (PSI): how differently two windows fill the same bins.

PSI = sum_b (q_b - p_b) ln(q_b / p_b), p and q the shares of bin b in the reference and the current window: the
symmetrised divergence of Kullback and Leibler (1951), called PSI in credit scoring (Siddiqi, "Credit Risk Scorecards",
2006). Shares are smoothed, (count + 1/2) / (n + bins / 2), so that an empty bin is no infinity.

Without any change its mean is about (bins - 1)(1/m + 1/n): Yurdakul, "Statistical Properties of Population Stability
Index" (Western Michigan University, 2018). That is 0.036 with 10 bins and 500 v 500, and 0.18 with 100 v 100, so the
customary thresholds of 0.1 and 0.25 mean something else at every size. Here the threshold is what dealing the inputs by
chance gives at these sizes, and the effect size is the PSI less that mean.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from switchgear.traces.drift.permutation import Deals, Members, Vector, deal, judged
from switchgear.traces.drift.result import Plan, Result, too_few

BINS: Final = 10
_SMOOTHING: Final = 0.5
Counts = npt.NDArray[np.float64]
"""How many inputs are in each bin: one row for each deal."""


def index_of(reference: Counts, current: Counts) -> Vector:
    """The PSI of each row of counts; bins that are empty on both sides are none."""
    used = (reference + current) > 0
    bins = used.sum(axis=1, keepdims=True)
    shares = [
        (counts + _SMOOTHING) / (counts.sum(axis=1, keepdims=True) + _SMOOTHING * bins)
        for counts in (reference, current)
    ]
    terms = (shares[1] - shares[0]) * np.log(shares[1] / shares[0])
    return np.asarray(np.where(used, terms, 0.0).sum(axis=1), dtype=np.float64)


def by_chance(bins: int, sizes: tuple[int, int]) -> float:
    """The mean PSI of two windows of these sizes when nothing has changed."""
    return (bins - 1) * (1 / sizes[0] + 1 / sizes[1])


def psi(
    monitor: str, reference: Sequence[float], current: Sequence[float], plan: Plan, deals: Deals | None = None
) -> Result:
    """Test numbers, in bins of a tenth of the reference window each.

    Values equal to a bin's upper edge are in it; where more than a tenth are equal there are fewer bins. Edges are
    found anew for each deal, from what is then the reference window: with the first edges kept, its bins would be even
    by construction and the test not exact.
    """
    sizes = (len(reference), len(current))
    if min(sizes) < max(plan.least, BINS):
        return too_few(monitor, "psi", sizes, plan)
    pooled = np.asarray([*reference, *current], dtype=np.float64)
    order = np.argsort(pooled, kind="stable")
    ends = np.searchsorted(pooled[order], pooled[order], side="right") - 1
    quantiles = np.ceil(np.arange(1, BINS) * sizes[0] / BINS).astype(np.int64) - 1

    def counts(members: Members) -> tuple[Counts, Counts]:
        ranked = members[:, order] > 0
        below = np.cumsum(ranked, axis=1, dtype=np.int32)
        places = np.flatnonzero(ranked).reshape(len(members), sizes[0])[:, quantiles] % len(order)
        edges = ends[places]
        reference_below = np.take_along_axis(below, edges, axis=1).astype(np.float64)
        return (
            np.diff(reference_below, axis=1, prepend=0.0, append=float(sizes[0])),
            np.diff(edges + 1 - reference_below, axis=1, prepend=0.0, append=float(sizes[1])),
        )

    dealt = deal(lambda members: index_of(*counts(members)), sizes, plan, deals)
    first = np.zeros((1, sum(sizes)), dtype=np.float32)
    first[0, : sizes[0]] = 1
    seen = counts(first)
    bins = int(((seen[0] + seen[1]) > 0).sum())
    return judged((monitor, "psi"), dealt, sizes, max(dealt.statistic - by_chance(bins, sizes), 0.0), plan)
