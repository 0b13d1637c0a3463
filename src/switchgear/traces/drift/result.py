"""What one test of two windows found, and how it is to be carried out."""

from typing import Final, Literal

from msgspec import Struct

Verdict = Literal["drift", "none", "too_few", "off"]
"""``off``: what would be looked at is not there: no embedder, no words captured, no tools told."""

LEAST_INPUTS: Final = 500
"""In each window: below, a test would hardly see a quarter of the inputs change."""


class Plan(Struct, frozen=True, kw_only=True):
    """How a test is carried out."""

    seed: int = 0
    level: float = 0.05
    """How often a test may alarm when nothing has changed."""
    permutations: int = 999
    """At most. No p-value is below ``1 / (permutations + 1)``."""
    least: int = LEAST_INPUTS
    """Fewer inputs in a window are not judged."""


class Result(Struct, frozen=True, kw_only=True):
    """What one test of two windows found."""

    monitor: str
    """What was looked at: ``length``, ``language``, ..."""
    method: str
    """How: ``mmd``, ``psi``, ..."""
    verdict: Verdict
    statistic: float = 0.0
    threshold: float = 0.0
    """The statistic passes it in ``level`` of all cases when nothing has changed."""
    p_value: float = 1.0
    adjusted_p: float | None = None
    """With all tests of its run taken into account; the verdict is then by it."""
    effect_size: float = 0.0
    """How much changed, whatever the sizes of the windows; each method says in what unit."""
    reference_size: int
    current_size: int
    permutations: int = 0
    """That were drawn; 0 where the p-value is by a formula."""
    seed: int = 0
    since: str = ""
    """Of rates: from when on it rose, as ISO 8601 in UTC."""
    reason: str = ""
    """Why nothing could be said."""


def too_few(monitor: str, method: str, sizes: tuple[int, int], plan: Plan, reason: str = "") -> Result:
    """The result of a test that was not made."""
    return Result(
        monitor=monitor,
        method=method,
        verdict="too_few",
        reference_size=sizes[0],
        current_size=sizes[1],
        seed=plan.seed,
        reason=reason or f"at least {plan.least} inputs are wanted in each window",
    )


def off(monitor: str, method: str, sizes: tuple[int, int], plan: Plan, reason: str) -> Result:
    """The result of a test for which there is nothing to look at."""
    return Result(
        monitor=monitor,
        method=method,
        verdict="off",
        reference_size=sizes[0],
        current_size=sizes[1],
        seed=plan.seed,
        reason=reason,
    )
