"""Counts over the last so many seconds, in a ring of slots: constant memory, and a few additions to a count."""

from typing import Final

SLOTS: Final = 10


class Window:
    """Sums of up to ``kinds`` numbers over the last ``seconds``, exact to a tenth of it."""

    __slots__ = ("_at", "_slot", "_slot_ns", "_slots", "_until_ns", "sums")

    def __init__(self, seconds: float, kinds: int) -> None:
        self._slot_ns = max(1, round(seconds * 1_000_000_000 / SLOTS))
        self._slots = [[0] * kinds for _ in range(SLOTS)]
        self._at = 0
        self._slot = self._slots[0]
        self._until_ns = 0
        """When the present slot ends."""
        self.sums = [0] * kinds
        """As of the last :meth:`add` or :meth:`turn`."""

    def add(self, kind: int, amount: int, now_ns: int) -> None:
        """Count ``amount``; it may be negative, to take an estimate back."""
        if now_ns >= self._until_ns:
            self.turn(now_ns)
        self._slot[kind] += amount
        self.sums[kind] += amount

    def turn(self, now_ns: int) -> None:
        """Forget what is too old."""
        if now_ns < self._until_ns:
            return
        at = now_ns // self._slot_ns
        passed = at - self._at
        if passed <= 0:
            return
        for back in range(min(passed, SLOTS)):
            slot = self._slots[(at - back) % SLOTS]
            for kind, amount in enumerate(slot):
                self.sums[kind] -= amount
                slot[kind] = 0
        self._at = at
        self._slot = self._slots[at % SLOTS]
        self._until_ns = (at + 1) * self._slot_ns

    def clear(self) -> None:
        """Forget everything."""
        for slot in self._slots:
            slot[:] = [0] * len(slot)
        self.sums = [0] * len(self.sums)

    def seconds_until_less(self, now_ns: int) -> float:
        """Until the oldest slot that holds anything is forgotten; 0 when none does."""
        self.turn(now_ns)
        for age in range(SLOTS - 1, -1, -1):
            if any(self._slots[(self._at - age) % SLOTS]):
                return max(0.0, ((self._at - age + SLOTS) * self._slot_ns - now_ns) / 1_000_000_000)
        return 0.0
