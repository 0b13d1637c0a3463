"""How much extra work may be done: a token bucket that calls fill and second tries empty (Finagle's RetryBudget)."""

from typing import Final

RESERVE: Final = 10.0
"""What even an idle upstream may be tried again."""
CEILING: Final = 500.0


class Budget:
    """``share`` of the calls may be made twice, with a small reserve."""

    __slots__ = ("_counted", "_tokens", "calls", "share", "spent")

    def __init__(self, share: float, reserve: float = RESERVE) -> None:
        self.share = share
        self.calls = 0
        """Made so far; who makes one adds to it. What they earn is reckoned when something is to be spent."""
        self._counted = 0
        self._tokens = reserve
        self.spent = 0

    @property
    def left(self) -> int:
        """Second tries that may be made now."""
        return int(min(CEILING, self._tokens + self.share * (self.calls - self._counted)))

    @property
    def can_spend(self) -> bool:
        """Whether there is a second try to take."""
        self._tokens = min(CEILING, self._tokens + self.share * (self.calls - self._counted))
        self._counted = self.calls
        return self._tokens >= 1

    def spend(self) -> bool:
        """Take one second try, if there is one."""
        if not self.can_spend:
            return False
        self._tokens -= 1
        self.spent += 1
        return True
