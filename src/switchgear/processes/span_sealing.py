"""Traces to which nothing is written any more are sealed, once an hour."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from switchgear.config import Config
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.clock import Clock

_PAUSE_SECONDS: Final = 3600.0
_HOUR_NS: Final = 3_600_000_000_000


class SpanSealing:
    """Seals what is closed in a store of spans."""

    def __init__(self, store: SqliteSpans, config: Callable[[], Config], clock: Clock) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._log = logging.getLogger("switchgear.traces")

    async def run(self) -> None:
        """Seal until cancelled."""
        while True:
            try:
                await self.turn()
            except OSError as error:
                self._log.warning("closed traces are not sealed, which is tried again in an hour: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def turn(self) -> int:
        """Seal what is closed now; how many spans. Raises OSError."""
        hours = self._config().traces.seal_after_hours
        if not hours:
            return 0
        now_ns = self._clock.wall_ns()
        count = await self._store.seal(now_ns, now_ns - hours * _HOUR_NS)
        if count:
            self._log.info("%d spans were sealed", count)
        return count
