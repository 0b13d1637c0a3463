"""Traces that are older than their project wants them kept are deleted, once an hour."""

import logging
from collections.abc import Callable
from typing import Final

from switchgear.config import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Doomed
from switchgear.processes.hourly import hourly

_DAY_NS: Final = 86_400_000_000_000
NO_PROJECT: Final = "default"
"""Where spans are that came under no key, or under one without a project."""


class SpanRetention:
    """Deletes what is too old in a store of spans."""

    def __init__(self, store: TraceStore, config: Callable[[], Config], clock: Clock) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._log = logging.getLogger("switchgear.traces")

    async def run(self) -> None:
        """Delete until cancelled."""
        await hourly(self.turn, self._log, "old traces cannot be deleted")

    async def turn(self) -> int:
        """Delete what is too old now; how many spans. Raises OSError."""
        now_ns = self._clock.wall_ns()
        count = 0
        for project, days in self._kept_days().items():
            count += await self._store.delete(Doomed(project=project, before_ns=now_ns - days * _DAY_NS))
        if count:
            self._log.info("%d spans were old enough to be deleted", count)
        return count

    def _kept_days(self) -> dict[str, int]:
        config = self._config()
        usual = config.traces.keep_days
        kept = {NO_PROJECT: usual}
        for name, project in config.projects.items():
            own = project.traces.keep_days
            kept[name] = usual if own is None else own
        return kept
