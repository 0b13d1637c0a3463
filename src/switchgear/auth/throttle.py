"""How often a password may be tried: by address in this process, and by person in the database (see ``accounts``)."""

from collections import OrderedDict
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import RateLimited

TRIES: Final = 20
WINDOW_SECONDS: Final = 300.0
_MAX_ADDRESSES: Final = 10_000
_NANOSECONDS: Final = 1_000_000_000


class Throttle:
    """Refuses an address after so many failures in a window; it remembers a bounded number of addresses."""

    def __init__(self, clock: Clock, tries: int = TRIES, window_seconds: float = WINDOW_SECONDS) -> None:
        self._now_ns = clock.monotonic_ns
        self._tries = tries
        self._window_ns = round(window_seconds * _NANOSECONDS)
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def admit(self, address: str) -> None:
        """Raises RateLimited."""
        began_ns, failures = self._failures.get(address, (0, 0))
        left_ns = began_ns + self._window_ns - self._now_ns()
        if failures >= self._tries and left_ns > 0:
            raise RateLimited("too many failed logins from this address", retry_after_seconds=left_ns / _NANOSECONDS)

    def failed(self, address: str) -> None:
        """One more failure."""
        now_ns = self._now_ns()
        began_ns, failures = self._failures.pop(address, (now_ns, 0))
        if now_ns - began_ns >= self._window_ns:
            began_ns, failures = now_ns, 0
        self._failures[address] = (began_ns, failures + 1)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)
