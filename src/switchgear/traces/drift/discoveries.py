"""How many of many findings to believe: the false discovery rate, by which many tests are judged together.

Benjamini and Hochberg, "Controlling the False Discovery Rate" (JRSS B 1995): with p-values in order, p_(i), all up to
the largest i with p_(i) <= i q / m are findings; of these a share of at most q is false on average. That holds for
independent tests and for those that lean the same way (positive regression dependence). Benjamini and Yekutieli, "The
control of the false discovery rate in multiple testing under dependency" (Annals of Statistics 2001): with
q / (1 + 1/2 + ... + 1/m) in place of q it holds whatever the tests have to do with each other.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec.structs import replace

from switchgear.traces.drift.result import Result

Control = Literal["benjamini_hochberg", "benjamini_yekutieli"]


def adjusted(p_values: Sequence[float], control: Control = "benjamini_hochberg") -> tuple[float, ...]:
    """For each p-value the smallest rate at which it would be a finding."""
    count = len(p_values)
    if not count:
        return ()
    ranks = np.arange(1, count + 1)
    factor = float((1 / ranks).sum()) if control == "benjamini_yekutieli" else 1.0
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=np.float64)[order] * count * factor / ranks
    falling = np.minimum.accumulate(scaled[::-1])[::-1]
    result = np.empty(count)
    result[order] = np.minimum(falling, 1.0)
    return tuple(float(value) for value in result)


def believed(results: Sequence[Result], rate: float, control: Control = "benjamini_hochberg") -> tuple[Result, ...]:
    """The same results, with verdicts such that of all drifts told a share of at most ``rate`` is none, on average."""
    tested = [index for index, result in enumerate(results) if result.verdict in ("drift", "none")]
    values = adjusted([results[index].p_value for index in tested], control)
    judged = list(results)
    for index, value in zip(tested, values, strict=True):
        verdict = "drift" if value <= rate else "none"
        judged[index] = replace(results[index], adjusted_p=value, verdict=verdict)
    return tuple(judged)


def needed_permutations(tests: int, rate: float, least: int, most: int) -> int:
    """So many that one true drift among ``tests`` can be found: its p-value has to come below ``rate / tests``."""
    return max(least, min(most, int(np.ceil(2 * max(tests, 1) / rate))))
