"""Follows the store of spans, and offers one collector all that arrives: at least once, in its order.

The position behind the last span that the collector answered for is kept in a file, so nothing is missed however long
the collector or this process is away; after a crash the spans of the last second go out once more, under the same ids.
Only one batch is in memory. Where a collector refuses a batch it is offered again in smaller ones, down to the span
that is at fault, and that one is dropped.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Arrivals
from switchgear.kernel.span import Span
from switchgear.traces.export.collector import Answer, Collector
from switchgear.traces.export.counts import Counted
from switchgear.traces.export.positions import KeptPosition
from switchgear.traces.export.telling import told

MOST_SPANS: Final = 512
"""In one request, as SDKs send them."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""About so many before they are compressed, unless one span alone has more."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_ASKED_SECONDS: Final = 600.0
MOST_TRIES: Final = 5
"""Of a batch that breaks the collector; then it is offered in smaller ones."""
POLL_SECONDS: Final = 0.5
_SECOND_NS: Final = 1_000_000_000
_SILENT_NS: Final = 60 * _SECOND_NS
"""Between two lines on spans that were refused."""


class Order(Struct, frozen=True, kw_only=True):
    """What one collector is to have."""

    name: str
    wants: Callable[[Span], bool]
    with_content: bool


class Exporter:
    """Of one collector; its position is kept in ``folder``."""

    def __init__(
        self, arrivals: Arrivals, collector: Collector, order: Order, folder: Path, counted: Counted, clock: Clock
    ) -> None:
        self._arrivals = arrivals
        self._collector = collector
        self._order = order
        self._place = KeptPosition(folder, order.name)
        self._counted = counted
        self._clock = clock
        self._position: int | None = None
        self._kept: int | None = None
        self._kept_ns = 0
        self._most = MOST_SPANS
        self._failures = 0
        self._told_ns: int | None = None
        self.log = logging.getLogger("switchgear.traces")

    async def run(self) -> None:
        """Follow until cancelled; the position is kept then."""
        try:
            while True:
                try:
                    pause = await self.turn()
                except (OSError, ValueError) as error:
                    pause = self._waits(f"the store or the position cannot be read or written: {error}")
                if pause:
                    await asyncio.sleep(pause)
        finally:
            self._keep()

    async def turn(self) -> float:
        """Offer the next batch; seconds to wait for the one behind it. Raises OSError, and ValueError."""
        position = await self._begin() if self._position is None else self._position
        arrived = await self._arrivals.arrived(position, self._most, MOST_BYTES)
        wanted = [span for span in arrived.spans if self._order.wants(span)]
        if wanted:
            self._counted.waiting = len(wanted) + arrived.behind
            answer = await self._offer(wanted)
            if answer.fate == "taken":
                self._took(answer, len(wanted))
            elif self._may_wait(answer):
                self._counted.failed += 1
                return self._waits(answer.message, wanted[0], answer.after_seconds)
            elif len(wanted) > 1:
                self._counted.failed += 1
                self._most = max(len(arrived.spans) // 2, 1)
                return 0.0
            else:
                self._dropped(1, 1, answer.message)
        self._failures = 0
        self._counted.lag_seconds = 0.0
        self._counted.waiting = arrived.behind
        self._position = arrived.position
        if self._clock.monotonic_ns() - self._kept_ns >= _SECOND_NS:
            await asyncio.to_thread(self._keep)
        return 0.0 if self._counted.waiting else POLL_SECONDS

    async def _begin(self) -> int:
        """Where it stood; at first behind all that is there. Raises OSError, and ValueError."""
        position = await asyncio.to_thread(self._place.load)
        if position is None:
            position = (await self._arrivals.arrived(0, 0, 0)).newest
            await asyncio.to_thread(self._place.make_room)
        else:
            self._kept = position
        self._position = position
        await asyncio.to_thread(self._keep)
        return position

    async def _offer(self, wanted: Sequence[Span]) -> Answer:
        with_content, collector = self._order.with_content, self._collector
        body = await asyncio.to_thread(
            lambda: collector.written([told(span, with_content=with_content) for span in wanted])
        )
        return await collector.send(body)

    def _may_wait(self, answer: Answer) -> bool:
        """Whether the same spans are offered again, rather than fewer of them."""
        return answer.fate == "busy" or (answer.fate == "broken" and self._failures + 1 < MOST_TRIES)

    def _took(self, answer: Answer, count: int) -> None:
        rejected = min(answer.rejected, count)
        self._counted.sent += count - rejected
        self._most = min(2 * self._most, MOST_SPANS)
        if rejected or answer.message:
            self._dropped(rejected, count, answer.message)
        if self._failures:
            self.log.info("the collector %s takes spans again", self._order.name)

    def _dropped(self, count: int, of: int, message: str) -> None:
        """Count spans that the collector will never have, and say so now and then."""
        self._counted.dropped += count
        now_ns = self._clock.monotonic_ns()
        if self._told_ns is None or now_ns - self._told_ns >= _SILENT_NS:
            self._told_ns = now_ns
            self.log.warning("the collector %s refused %d of %d spans: %s", self._order.name, count, of, message)

    def _waits(self, message: str, oldest: Span | None = None, asked_seconds: float | None = None) -> float:
        """Seconds until the next try: twice as long each time, or what the collector asks for if that is more."""
        if not self._failures:
            self.log.warning("spans wait for the collector %s, and the store keeps them: %s", self._order.name, message)
        own = min(FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10), LONGEST_PAUSE_SECONDS)
        self._failures += 1
        if oldest is not None:
            self._counted.lag_seconds = max(self._clock.wall_ns() - oldest.ended_ns, 0) / _SECOND_NS
        return max(own, min(asked_seconds or 0.0, LONGEST_ASKED_SECONDS))

    def _keep(self) -> None:
        """Keep the position, if it changed."""
        position = self._position
        if position is None or position == self._kept:
            return
        try:
            self._place.commit(position)
            self._kept = position
        except OSError as error:
            # Spans go out once more after a restart; that is better than none.
            self.log.error("the position of the export to %s cannot be kept: %s", self._order.name, error)  # noqa: TRY400 (an operator's concern)
        self._kept_ns = self._clock.monotonic_ns()
