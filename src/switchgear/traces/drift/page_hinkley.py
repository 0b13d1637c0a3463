"""Page-Hinkley on rates: whether the share of errors, refusals, answers cut off has risen, and from when on.

Page, "Continuous Inspection Schemes" (Biometrika 1954), Hinkley, "Inference about the change-point from cumulative sum
tests" (Biometrika 1971): g_t = max(0, g_{t-1} + s_t) rises only while more happens than did; what is told is the
highest that it came to. The steps are Wald's likelihood ratio of odds that are k times what they were (Reynolds and
Stoumbos, "A CUSUM Chart for Monitoring a Proportion When Inspecting Continuously", Journal of Quality Technology 1999):
of n calls with e events s = e ln k - n ln(1 + (k - 1) p), p the reference window's rate. A small rate that grew by less
than (k - 1) / ln k never makes the sum rise: 1.23 times for a k of 1.5, which finds larger rises nearly as well.

How high g comes by chance is found by dealing: as many events as there were fall on the calls of both windows, on each
with equal chance. That is exact where calls fail independently of each other, however traffic has grown. Where failures
come in bursts it would alarm far too often: then each bucket's rate is drawn as well, from a beta distribution whose
spread is that of the reference window's buckets, by moments (Skellam, "A Probability Distribution Derived from the
Binomial Distribution by Regarding the Probability of Success as Variable Between the Sets of Trials", JRSS B 1948).
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import replace

from switchgear.rest.written import moment
from switchgear.traces.drift.permutation import Draw, Vector, compared, judged
from switchgear.traces.drift.result import Plan, Result, too_few

METHOD: Final = "page_hinkley"
MOST_STEPS: Final = 48
"""Buckets that follow each other are taken together until there are no more."""
_ODDS: Final = 1.5
_LEAST_BUCKETS: Final = 10
"""Fewer tell nothing of how failures come."""
_MOST_SPREAD: Final = 0.9
_MOST_EXACT: Final = 1_000_000_000
"""So many calls are not dealt one by one."""
_NEXT_TO_NONE: Final = 1e-9
Counts = npt.NDArray[np.int64]
"""Calls in the first row, events in the second; a column for each bucket."""


class Step(Struct, frozen=True):
    """A bucket of time: when it began, its calls, and how many of them were events."""

    began_ns: int
    trials: int
    events: int


def page_hinkley(monitor: str, reference: Sequence[Step], current: Sequence[Step], plan: Plan) -> Result:
    """Test whether a rate has risen within the current window, whose steps are in the order of time.

    Effect size: by how much the rate, from where the sum last rose from nothing to where it was highest, is above that
    of the reference window.
    """
    steps = _joined(current)
    before, now = _counts(reference), _counts(steps)
    sizes = (int(before[0].sum()), int(now[0].sum()))
    if min(sizes) < max(plan.least, 1):
        return too_few(monitor, METHOD, sizes, plan, f"at least {max(plan.least, 1)} calls are wanted in each window")
    counts = np.concatenate([before.sum(axis=1, keepdims=True), now], axis=1)
    course = sums(counts[None, 1], counts[0])[0]
    dealt = compared(float(course.max()), _dealing(counts, before, plan.seed), plan)
    began, ended = _rise(course)
    rise = now[:, began:ended].sum(axis=1)
    if not rise[0]:
        return judged((monitor, METHOD), dealt, sizes, 0.0, plan)
    risen_by = float(rise[1] / rise[0] - before[1].sum() / before[0].sum())
    result = judged((monitor, METHOD), dealt, sizes, max(risen_by, 0.0), plan)
    return replace(result, since=moment(steps[began].began_ns))


def sums(events: Counts, trials: Counts) -> Vector:
    """g after each step of the current window, a row for each row of ``events``; the first column is the reference."""
    cost = np.log1p((_ODDS - 1) * (events[:, 0] + 0.5) / (trials[0] + 1))
    rises = events[:, 1:] * math.log(_ODDS) - cost[:, None] * trials[1:]
    course = np.empty_like(rises)
    reached = np.zeros(len(rises))
    for place in range(rises.shape[1]):
        reached = np.maximum(reached + rises[:, place], 0)
        course[:, place] = reached
    return course


def spread(counts: Counts) -> float:
    """How alike calls of one bucket are, beyond what chance makes of it: 0 where they fail independently, below 1."""
    trials, events = counts[:, counts[0] > 1].astype(np.float64)
    if len(trials) < _LEAST_BUCKETS or not 0 < events.sum() < trials.sum():
        return 0.0
    rate = events.sum() / trials.sum()
    alone = rate * (1 - rate)
    seen = ((events - trials * rate) ** 2).sum() * len(trials) / (len(trials) - 1)
    found = float((seen - trials.sum() * alone) / ((trials * (trials - 1)).sum() * alone))
    return min(max(found, 0.0), _MOST_SPREAD)


def _dealing(counts: Counts, before: Counts, seed: int) -> Draw:
    """``counts``: the whole reference window, and each step of the current one."""
    trials, events = counts[0], int(counts[1].sum())
    total = int(trials.sum())
    generator = np.random.default_rng(seed)
    among = max(spread(before), _NEXT_TO_NONE if total >= _MOST_EXACT else 0.0)
    if not among:
        return lambda count: _highest(
            generator.multivariate_hypergeometric(trials, events, count, method="marginals"), trials
        )
    alike = np.full(len(trials), among)
    # The reference window is many buckets: their rates even each other out.
    alike[0] *= (before[0].astype(np.float64) ** 2).sum() / float(trials[0]) ** 2
    certainty = 1 / alike - 1
    rate = (events + 0.5) / (total + 1)

    def draw(count: int) -> Vector:
        rates = generator.beta(rate * certainty, (1 - rate) * certainty, (count, len(trials)))
        return _highest(generator.binomial(trials, rates), trials)

    return draw


def _highest(events: Counts, trials: Counts) -> Vector:
    return np.asarray(sums(events, trials).max(axis=1))


def _rise(course: Vector) -> tuple[int, int]:
    """From which step the sum rose to its highest, and the step behind that; equal where it never did."""
    highest = int(course.argmax())
    if course[highest] <= 0:
        return 0, 0
    nothing = np.flatnonzero(course[:highest] <= 0)
    return (int(nothing[-1]) + 1 if len(nothing) else 0), highest + 1


def _joined(steps: Sequence[Step]) -> list[Step]:
    each = -(-len(steps) // MOST_STEPS)
    return [
        Step(some[0].began_ns, sum(step.trials for step in some), sum(step.events for step in some))
        for some in (steps[begin : begin + each] for begin in range(0, len(steps), max(each, 1)))
    ]


def _counts(steps: Sequence[Step]) -> Counts:
    return np.asarray([[step.trials for step in steps], [step.events for step in steps]], dtype=np.int64)
