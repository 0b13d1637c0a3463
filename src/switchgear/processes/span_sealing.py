"""Traces to which nothing is written any more are sealed, once an hour."""

import logging
from collections.abc import Callable
from typing import Final

from msgspec import structs

from switchgear.app.span_sealing import seal_closed
from switchgear.config import Config
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.making import Maker
from switchgear.kernel.clock import Clock
from switchgear.processes.hourly import hourly
from switchgear.traces.export.counts import ExportCounts

_HOUR_NS: Final = 3_600_000_000_000
_FEWEST_SPANS: Final = 25_000
"""Of a day that is not over: an hour's few would make many small files."""


class SpanSealing:
    """Seals what is closed in a store of spans, and what all collectors have."""

    def __init__(
        self,
        store: SqliteSpans,
        config: Callable[[], Config],
        counts: ExportCounts,
        clock: Clock,
        maker: Maker | None = None,
    ) -> None:
        """``maker`` makes the files of what is sealed; None: this process."""
        self._store = store
        self._maker = maker
        self._config = config
        self._counts = counts
        self._clock = clock
        self._path = config().traces.path
        self._log = logging.getLogger("switchgear.traces")

    async def run(self) -> None:
        """Seal until cancelled."""
        await hourly(self.turn, self._log, "closed traces are not sealed")

    async def turn(self) -> int:
        """Seal what is closed now; how many spans. Raises OSError."""
        # Another path takes a restart.
        settings = structs.replace(self._config().traces, path=self._path)
        now_ns = self._clock.wall_ns()
        if not settings.seal_after_hours:
            self._counts.hold({})
            return 0
        before_ns = now_ns - settings.seal_after_hours * _HOUR_NS
        sealed = await seal_closed(self._store, settings, now_ns, before_ns, _FEWEST_SPANS, self._maker)
        self._counts.hold(sealed.held)
        for name, count in sealed.held.items():
            self._log.warning(
                "%d spans are old enough to be sealed, and wait in the tables for the collector %s to take them; "
                "take it out of traces.export to let them go",
                count,
                name,
            )
        if sealed.spans:
            self._log.info("%d spans were sealed", sealed.spans)
        return sealed.spans
