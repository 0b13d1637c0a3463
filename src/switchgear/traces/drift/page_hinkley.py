"""Page-Hinkley on rates: an alarm soon after the share of errors, refusals, misses has risen, and seldom before.

Page, "Continuous Inspection Schemes" (Biometrika 1954), Hinkley, "Inference about the change-point from cumulative sum
tests" (Biometrika 1971): g_t = max(0, g_{t-1} + x_t - r), an alarm when g_t > h; this is m_T - min m_t of
m_T = sum (x_t - r), r = mean + delta, with the mean of a reference window. For events that happen or do not the best r
between two rates p0 and p1 is that of Wald's likelihood ratio (Reynolds and Stoumbos, "A CUSUM Chart for Monitoring a
Proportion When Inspecting Continuously", Journal of Quality Technology 1999).

With r a fraction the sum walks on whole numbers, and how long it runs to an alarm on average (ARL) is the solution of a
linear system (Brook and Evans, Biometrika 1972): exact for independent events, no simulation. p0 is the upper end of a
confidence interval, because the ARL of an underestimated rate is many times shorter than what was asked for.
"""

import math
from fractions import Fraction
from typing import Final

import numpy as np
from msgspec import Struct

from switchgear.traces.drift.permutation import Vector

_SURE_95: Final = 1.6449
"""The normal's 95 % quantile: on one side."""
_COARSEST: Final = 20
_FINEST: Final = 2000
_HIGHEST: Final = 100_000
"""No sum is let run to more than so many steps: a rate that needs it cannot be told from its reference."""


class Design(Struct, frozen=True, kw_only=True):
    """A watch over one rate: an event moves its sum ``up``, its absence ``down``; past ``height`` it alarms."""

    usual_rate: float
    """What the reference window's rate is at most, with 95 % confidence."""
    raised_rate: float
    """What it is made to notice."""
    up: int
    down: int
    height: int
    false_alarm_every: float
    """Trials to a false alarm on average, at the usual rate: its ARL."""
    noticed_after: float
    """Trials to an alarm on average, at the raised rate."""


class PageHinkley:
    """The sum of one watched rate; after an alarm it begins anew."""

    __slots__ = ("design", "position")

    def __init__(self, design: Design, position: int = 0) -> None:
        self.design = design
        self.position = position

    def see(self, events: int, trials: int) -> bool:
        """Take in some trials and how many of them were events; true: alarm.

        Raises ValueError when there are more events than trials. A batch is one step: the sum is then never above what
        single trials would have made of it, so that false alarms are no more frequent than stated.
        """
        if not 0 <= events <= trials:
            raise ValueError(f"Page-Hinkley: {events} events of {trials} trials; events are some of the trials")
        step = self.design.up * events - self.design.down * (trials - events)
        self.position = max(0, self.position + step)
        if self.position <= self.design.height:
            return False
        self.position = 0
        return True


def designed(events: int, trials: int, raised_by: float = 2.0, false_alarm_every: float = 100_000) -> Design:
    """Design a watch from a reference window, for a rate that grows by ``raised_by``.

    Raises ValueError for rates that are not below a half: watch what does not happen instead.
    """
    if not 0 <= events <= trials or trials < 1:
        raise ValueError(f"Page-Hinkley: a reference of {events} events in {trials} trials is none")
    usual = upper_bound(events, trials)
    raised = usual * raised_by
    if raised_by <= 1 or raised >= 1:
        raise ValueError(f"Page-Hinkley: a rate of up to {usual:.3g} cannot grow by {raised_by:g}; watch its opposite")
    up, down = _steps(usual, raised)
    height = _height(usual, (up, down), false_alarm_every)
    return Design(
        usual_rate=usual,
        raised_rate=raised,
        up=up,
        down=down,
        height=height,
        false_alarm_every=average_run(usual, (up, down), height),
        noticed_after=average_run(raised, (up, down), height),
    )


def upper_bound(events: int, trials: int) -> float:
    """The upper end of Wilson's interval for a rate, 95 % on one side (JASA 1927)."""
    rate = events / trials
    square = _SURE_95**2
    width = _SURE_95 * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials**2))
    return (rate + square / (2 * trials) + width) / (1 + square / trials)


def average_run(rate: float, steps: tuple[int, int], height: int) -> float:
    """Trials from zero to an alarm on average, where each is an event with probability ``rate``."""
    up, down = steps
    if down == 1:
        return float(_run_of_single_steps(rate, up, height)[0])
    states = np.arange(height + 1)
    system = np.eye(height + 1)
    rising = states[: max(height + 1 - up, 0)]
    system[rising, rising + up] -= rate
    np.subtract.at(system, (states, np.maximum(states - down, 0)), 1 - rate)
    return float(np.linalg.solve(system, np.ones(height + 1))[0])


def _run_of_single_steps(rate: float, up: int, height: int) -> Vector:
    """The same system where each absence is one step down: solved row by row from the top, stable, in little memory.

    Row i is L_i = 1 + rate L_{i+up} + (1 - rate) L_{i-1}. From the top down each L_i is written as c_i + s_i L_{i-1}.
    """
    constants = np.zeros(height + up + 1)
    slopes = np.zeros(height + up + 1)
    for state in range(height, 0, -1):
        # L_{i+up} through the chain of rows above: c and s of L_{i+up} in terms of L_i.
        constant, slope = 0.0, 0.0
        if state + up <= height:
            chain = slopes[state + 1 : state + up + 1]
            products = np.cumprod(chain[::-1])[::-1]
            slope = float(products[0])
            constant = float(constants[state + 1 : state + up] @ products[1:] + constants[state + up])
        pivot = 1 - rate * slope
        constants[state] = (1 + rate * constant) / pivot
        slopes[state] = (1 - rate) / pivot
    # L_0 = 1 + rate L_up + (1 - rate) L_0
    if up > height:
        return np.asarray([1 / rate])
    products = np.cumprod(slopes[1 : up + 1][::-1])[::-1]
    constant = float(constants[1:up] @ products[1:] + constants[up])
    return np.asarray([(1 + rate * constant) / (rate * (1 - float(products[0])))])


def _steps(usual: float, raised: float) -> tuple[int, int]:
    odds = math.log(raised * (1 - usual) / (usual * (1 - raised)))
    best = math.log((1 - usual) / (1 - raised)) / odds
    if best <= 2 / _COARSEST:
        parts = min(round(1 / best), _FINEST)
        return parts - 1, 1
    near = Fraction(best).limit_denominator(_COARSEST)
    return near.denominator - near.numerator, near.numerator


def _height(rate: float, steps: tuple[int, int], wanted: float) -> int:
    """The lowest height at which false alarms are at least ``wanted`` trials apart."""
    low, high = 0, sum(steps)
    while average_run(rate, steps, high) < wanted and high < _HIGHEST:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if average_run(rate, steps, middle) >= wanted else (middle + 1, high)
    return high
