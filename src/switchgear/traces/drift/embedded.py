"""Tests of two windows of embeddings: the distance of their means, and the maximum mean discrepancy (MMD).

Both test every difference of the means; MMD sees changes of spread and shape as well, and costs more.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from switchgear.traces.drift.permutation import Deals, Members, Vector, deal, judged
from switchgear.traces.drift.result import Plan, Result, too_few

Embeddings = npt.NDArray[np.float32]
"""One row for each input."""

MONITOR: Final = "embedding"
_LEAST_VARIANCE: Final = 1e-12
_STRIP: Final = 125
"""Rows of a kernel at a time: so few that its lower half is hardly multiplied, and enough for a product."""


def mean_distance(reference: Embeddings, current: Embeddings, plan: Plan, deals: Deals | None = None) -> Result:
    """Test whether the means differ: T = ||mean(x) - mean(y)||^2, by permutation.

    The energy of a difference of means against relabelled samples is Fisher's randomisation test (1935) with the
    Euclidean norm. Effect size: the distance of the means, less what chance adds to its square, in standard deviations
    of one input around its window's mean.
    """
    sizes = (len(reference), len(current))
    if reason := _unfit(reference, current, plan):
        return too_few(MONITOR, "mean_distance", sizes, plan, reason)
    pooled = np.concatenate([reference, current]).astype(np.float32)
    pooled -= pooled.mean(axis=0)
    # With centred rows the sum of one window is minus that of the other, so one product is enough.
    scale = 1 / sizes[0] + 1 / sizes[1]

    def statistic(members: Members) -> Vector:
        sums = members @ pooled
        return np.vecdot(sums, sums).astype(np.float64) * scale**2

    dealt = deal(statistic, sizes, plan, deals)
    variances = [float(part.var(axis=0, ddof=1).sum()) for part in np.split(pooled, [sizes[0]])]
    by_chance = variances[0] / sizes[0] + variances[1] / sizes[1]
    spread = max((variances[0] + variances[1]) / 2, _LEAST_VARIANCE)
    effect_size = float(np.sqrt(max(dealt.statistic - by_chance, 0.0) / spread))
    return judged((MONITOR, "mean_distance"), dealt, sizes, effect_size, plan)


def mmd(reference: Embeddings, current: Embeddings, plan: Plan, deals: Deals | None = None) -> Result:
    """Test whether the distributions differ: the unbiased MMD^2 with a Gaussian kernel, by permutation.

    MMD^2_u = sum_{i!=j} k(x_i, x_j) / (m (m-1)) + sum_{i!=j} k(y_i, y_j) / (n (n-1)) - 2 sum_{ij} k(x_i, y_j) / (m n),
    k(a, b) = exp(-||a - b||^2 / (2 s^2)), s the median distance of two pooled inputs: Gretton et al., "A Kernel
    Two-Sample Test" (JMLR 2012), Lemma 6 and section 8. The kernel's matrix is made once; a block of deals is a
    product with its upper half. Effect size: the root of MMD^2_u, or 0 where that is negative; it is below sqrt(2).
    """
    sizes = (len(reference), len(current))
    if reason := _unfit(reference, current, plan):
        return too_few(MONITOR, "mmd", sizes, plan, reason)
    kernel = _kernel(np.concatenate([reference, current]).astype(np.float32))
    rows = kernel.sum(axis=1, dtype=np.float64)
    total = float(rows.sum())
    upper = np.triu(kernel)
    first, second = sizes

    def statistic(members: Members) -> Vector:
        within_first = np.zeros(len(members))
        for begin in range(0, len(upper), _STRIP):
            # Left of its strip of rows the upper half is empty.
            strip = members[:, begin : begin + _STRIP] @ upper[begin : begin + _STRIP, begin:]
            within_first += 2 * np.vecdot(strip, members[:, begin:])
        of_first = members.astype(np.float64) @ rows
        across = of_first - within_first
        within_second = total - of_first - across
        within = within_first / (first * (first - 1)) + within_second / (second * (second - 1))
        return np.asarray(within - 2 * across / (first * second), dtype=np.float64)

    dealt = deal(statistic, sizes, plan, deals)
    return judged((MONITOR, "mmd"), dealt, sizes, float(np.sqrt(max(dealt.statistic, 0.0))), plan)


def _kernel(pooled: Embeddings) -> Embeddings:
    """k of all pairs, zero on the diagonal, less its mean: a constant does not change MMD^2_u, and keeps it exact."""
    pooled = pooled - pooled.mean(axis=0)
    squares = np.einsum("ij,ij->i", pooled, pooled)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * (pooled @ pooled.T), 0)
    bandwidth = float(np.median(np.concatenate([row[place + 1 :] for place, row in enumerate(distances)])))
    if bandwidth <= 0:
        # More than half of all pairs are equal: the mean is then the scale that is left.
        bandwidth = max(float(distances.mean()), _LEAST_VARIANCE)
    kernel = np.exp(distances / np.float32(-2 * bandwidth), dtype=np.float32)
    np.fill_diagonal(kernel, 0)
    kernel -= np.float32(kernel.sum(dtype=np.float64) / (len(kernel) * (len(kernel) - 1)))
    np.fill_diagonal(kernel, 0)
    return kernel


def _unfit(reference: Embeddings, current: Embeddings, plan: Plan) -> str:
    if min(len(reference), len(current)) < max(plan.least, 2):
        return f"at least {max(plan.least, 2)} inputs are wanted in each window"
    if reference.shape[1] != current.shape[1]:
        return f"embeddings of {reference.shape[1]} and of {current.shape[1]} dimensions cannot be compared"
    return ""
