"""What the drift monitors have to clear, and whether they do."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

FALSE_ALARMS: Final = (3.0, 7.0)
"""Per cent: the level of 5, and 2 either way."""
POWER: Final = (95.0, 100.0)
"""Per cent, where a quarter of the inputs is strange."""
CHECK_MILLISECONDS: Final = (0.0, 150.0)


class Shown(Struct, frozen=True, kw_only=True):
    """Of many checks, the share that alarmed, and what one cost."""

    alarms: float
    runs: int
    milliseconds: float

    @property
    def percent(self) -> float:
        """The share as it is printed, to a tenth."""
        return round(100 * self.alarms, 1)

    def __str__(self) -> str:
        error = math.sqrt(max(self.alarms * (1 - self.alarms), 1 / self.runs) / self.runs)
        return f"{self.percent:5.1f} % ± {100 * error:.1f}"


class Spent(NamedTuple):
    """Of the processor, by one check."""

    milliseconds: float

    def __str__(self) -> str:
        return f"{self.milliseconds:.0f} ms"


class Bar(NamedTuple):
    """What is wanted, and what was found."""

    what: str
    wanted: tuple[float, float]
    found: float
    unit: str = "%"
    is_limit: bool = False
    """Of a place where it is known to be missed, as the docs say."""

    @property
    def verdict(self) -> str:
        lowest, highest = self.wanted
        if lowest <= self.found <= highest:
            return "pass"
        return "known limit" if self.is_limit else "MISSED"


def rows_of(bars: Sequence[Bar]) -> list[tuple[str, str, str, str]]:
    """The bars as a table has them."""
    return [
        (bar.what, f"{bar.wanted[0]:g} to {bar.wanted[1]:g} {bar.unit}", f"{bar.found:.1f} {bar.unit}", bar.verdict)
        for bar in bars
    ]


def status_of(bars: Sequence[Bar]) -> int:
    """What a program ends with: 1 where one is missed."""
    return int(any(bar.verdict == "MISSED" for bar in bars))
