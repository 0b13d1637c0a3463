"""A token or credentials that hold for a while, and are got again before they run out."""

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from switchgear.kernel.clock import Clock

T = TypeVar("T")
_USED_OF_LIFE: Final = 2 / 3


class Lent(Generic[T]):
    """What ``get`` returns with the seconds it holds, kept for two thirds of them.

    One thread gets it and the others wait, so that a store sees one login and not one for each secret.
    """

    def __init__(self, get: Callable[[], tuple[T, float]], clock: Clock) -> None:
        self._get = get
        self._monotonic_ns = clock.monotonic_ns
        self._lock = threading.Lock()
        self._held: tuple[T, float] | None = None

    def current(self) -> T:
        """What holds now. Raises what ``get`` raises."""
        with self._lock:
            if self._held is None or self._monotonic_ns() >= self._held[1]:
                value, seconds = self._get()
                self._held = (value, self._monotonic_ns() + seconds * _USED_OF_LIFE * 1e9)
            return self._held[0]

    def forget(self, value: T) -> None:
        """Do not lend ``value`` again: it was refused."""
        with self._lock:
            if self._held is not None and self._held[0] is value:
                self._held = None
