"""The line before a deployment that takes only so many calls at once: by priority, then by arrival, and bounded."""

import asyncio
import heapq
from itertools import count

from switchgear.kernel.errors import Overloaded
from switchgear.routing.policy import Bounds


class Gate:
    """Hands out places; whoever gives one back passes it to the first in line.

    ``in_flight`` counts the places taken, those just passed on included.
    """

    __slots__ = ("_arrivals", "_line", "bounds", "in_flight", "where")

    def __init__(self, where: str, bounds: Bounds) -> None:
        self.where = where
        self.bounds = bounds
        self.in_flight = 0
        self._line: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @property
    def is_full(self) -> bool:
        """Whether a call would have to wait."""
        return 0 < self.bounds.max_in_flight <= self.in_flight

    @property
    def waiting(self) -> int:
        """Calls in line."""
        return len(self._line)

    def take(self) -> None:
        """Take a place without asking; whoever calls it has looked at :attr:`is_full`."""
        self.in_flight += 1

    def give_back(self) -> None:
        """A place is free: the first in line has it, or nobody."""
        self.in_flight -= 1
        self._hand_out()

    def adopt(self, bounds: Bounds) -> None:
        """Go on under other bounds: who is in line has the places that are new."""
        self.bounds = bounds
        self._hand_out()

    def _hand_out(self) -> None:
        while self._line and not self.is_full:
            place = heapq.heappop(self._line)[2]
            if not place.done():
                place.set_result(None)
                self.in_flight += 1

    async def wait(self, priority: int, seconds: float) -> None:
        """Return with a place taken; lower priorities go first.

        Raises Overloaded when the line is full, or at once when ``seconds`` would be over before a place is free.
        """
        if len(self._line) >= self.bounds.max_waiting:
            raise self._shed(f"{len(self._line)} calls already wait for {self.where}")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._line, (priority, next(self._arrivals), place))
        try:
            async with asyncio.timeout(min(seconds, self.bounds.waiting_seconds)):
                await place
        except TimeoutError:
            self._leave(place)
            raise self._shed(f"no place at {self.where} came free in time") from None
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: asyncio.Future[None]) -> None:
        """Whoever was handed a place and cannot use it passes it on."""
        if place.done() and not place.cancelled():
            self.give_back()
            return
        place.cancel()
        self._line = [waiter for waiter in self._line if waiter[2] is not place]
        heapq.heapify(self._line)

    def _shed(self, reason: str) -> Overloaded:
        return Overloaded(f"{reason}; it takes {self.bounds.max_in_flight} at once", retry_after_seconds=1.0)
