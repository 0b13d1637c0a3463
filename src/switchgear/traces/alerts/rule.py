"""What is watched, and when it is an alarm: a rule as the rest of this folder knows it."""

from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.query import Filter

NANOSECONDS: Final = 1_000_000_000
Severity = Literal["info", "warning", "critical"]
Quantity = Literal["calls", "errors", "error_rate", "duration_ms", "first_token_ms", "cost_usd", "tokens"]
Test = Literal["above", "below", "grows_by", "falls_by", "absent", "drifted"]
SHARES: Final = frozenset(("error_rate", "duration_ms", "first_token_ms"))
"""Quantities that are about calls which happened: of none of them there is nothing to say."""


class Spans(Struct, frozen=True, kw_only=True):
    """A quantity of the spans of the last ``window_seconds``."""

    quantity: Quantity
    window_seconds: int
    where: Filter | None = None
    by: str = ""
    """A field: each of its values is an alert by itself."""
    quantile: float = 0.95
    """Of durations."""
    min_calls: int = 0
    """Of fewer calls nothing is concluded."""


class Budget(Struct, frozen=True, kw_only=True):
    """The used share of a limit, for each of those who are limited by themselves."""

    limit: str
    quantity: str = ""
    """Empty: each of its quantities."""


class Drift(Struct, frozen=True, kw_only=True):
    """What checks for drift tell of models and prompts, each by itself."""

    monitor: str = ""
    """Empty: any."""
    model: str = ""
    """That was asked for; empty: any. Here and below a ``*`` at the end: any that begins so."""
    prompt: str = ""
    """Empty: any, and all prompts of a model together."""


class Rule(Struct, frozen=True, kw_only=True):
    """One rule. Times are seconds."""

    name: str
    project: str = ""
    """Whose spans are looked at, and whose people see the alert; empty: of calls without a project."""
    measure: Spans | Budget | Drift
    test: Test
    bound: float = 0.0
    """A threshold, or a factor; nothing for ``absent`` and ``drifted``."""
    for_seconds: int = 0
    recover_for_seconds: int = 0
    repeat_seconds: int = 0
    """0: a firing is told once."""
    lapse_seconds: int = 86_400
    """A firing of which nothing was known for so long is let go."""
    severity: Severity = "warning"
    receivers: tuple[str, ...] = ()
    description: str = ""

    @property
    def condition(self) -> str:
        """What it asks, in words."""
        if self.test == "absent":
            assert isinstance(self.measure, Spans)
            return f"no calls for {self.measure.window_seconds} s"
        if isinstance(self.measure, Drift):
            of = f" of {self.measure.monitor}" if self.measure.monitor else ""
            return f"drift{of}, by the newest check"
        if isinstance(self.measure, Budget):
            return f"used share of the limit {self.measure.limit} {self.test} {self.bound:g}"
        what = f"{self.measure.quantity} of {self.measure.window_seconds} s"
        if self.test in ("above", "below"):
            return f"{what} {self.test} {self.bound:g}"
        verb = "grown" if self.test == "grows_by" else "fallen"
        return f"{what} {verb} by the factor {self.bound:g} against the {self.measure.window_seconds} s before"
