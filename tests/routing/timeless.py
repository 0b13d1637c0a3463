"""An event loop on a frozen clock: waiting moves the clock and takes no time, and waiting for nothing is an error.

A loop with nothing ready asks its selector to wait until the next timer is due. This selector moves the clock there
instead, so that every timer of the product (``asyncio.sleep``, ``asyncio.timeout``) runs as it is, at once, and always
in the same order.
"""

import asyncio
from collections.abc import Coroutine
from math import ceil
from selectors import DefaultSelector, SelectorKey
from typing import TypeVar

from switchgear.kernel.clock import FrozenClock

T = TypeVar("T")
_NANOSECONDS = 1_000_000_000


class _Selector(DefaultSelector):
    def __init__(self, clock: FrozenClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        assert timeout is not None, "everybody waits, and nothing more will happen"
        self._clock.advance(ceil(timeout * _NANOSECONDS) / _NANOSECONDS)
        return []


class TimelessLoop(asyncio.SelectorEventLoop):
    """Its time is the clock's."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(_Selector(clock))
        self._frozen = clock

    def time(self) -> float:
        return self._frozen.monotonic_ns() / _NANOSECONDS


def play(clock: FrozenClock, playing: Coroutine[object, object, T]) -> T:
    """What the coroutine returns, without any time passing but on ``clock``."""
    with asyncio.Runner(loop_factory=lambda: TimelessLoop(clock)) as runner:
        return runner.run(playing)
