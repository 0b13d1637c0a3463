"""Traces that are older than their project wants them kept are deleted, once an hour, and media with them.

A project that is not declared any more has the time of ``traces.keep_days``, but only a week after this process first
missed it: whoever took it out of the configuration by mistake has time to see the warning in the log.
"""

import logging
from collections.abc import Callable
from typing import Final

from switchgear.config import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Holdings
from switchgear.kernel.query import Doomed
from switchgear.processes.hourly import hourly
from switchgear.traces.media_retention import MediaRetention

_DAY_NS: Final = 86_400_000_000_000
_GRACE_DAYS: Final = 7
NO_PROJECT: Final = "default"
"""Where spans are that came under no key, or under one without a project."""


class SpanRetention:
    """Deletes what is too old in a store of spans, and of media."""

    def __init__(
        self, store: Holdings, config: Callable[[], Config], clock: Clock, media: MediaRetention | None = None
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._media = media
        self._log = logging.getLogger("switchgear.traces")
        self._missed_ns: dict[str, int] = {}
        """Since when projects with something to keep are not declared."""

    async def run(self) -> None:
        """Delete until cancelled."""
        await hourly(self.turn, self._log, "old traces cannot be deleted")

    async def turn(self) -> int:
        """Delete what is too old now; how many spans. Raises OSError."""
        now_ns = self._clock.wall_ns()
        for project in self._missed_ns.keys() & self._declared().keys():
            del self._missed_ns[project]
        count = 0
        for project in {*await self._store.projects(), *self._declared()}:
            days = self._kept_days(project)
            if days is not None:
                count += await self._store.delete(Doomed(project=project, before_ns=now_ns - days * _DAY_NS))
        if count:
            self._log.info("%d spans were old enough to be deleted", count)
        media = 0 if self._media is None else await self._media.turn(now_ns, self._kept_days)
        if media:
            self._log.info("%d media were old enough to be deleted", media)
        return count

    def _kept_days(self, project: str) -> int | None:
        """None: it is missed, and nothing of it is deleted yet."""
        own = self._declared().get(project)
        if own is not None:
            return own
        now_ns = self._clock.wall_ns()
        usual = self._config().traces.keep_days
        if project not in self._missed_ns:
            self._missed_ns[project] = now_ns
            self._log.warning(
                "project %r has traces or media, but is not declared: in %d days what is older than %d days "
                "(traces.keep_days) begins to be deleted; declare it again to have it kept otherwise",
                project,
                _GRACE_DAYS,
                usual,
            )
        return usual if now_ns - self._missed_ns[project] >= _GRACE_DAYS * _DAY_NS else None

    def _declared(self) -> dict[str, int]:
        config = self._config()
        usual = config.traces.keep_days
        kept = {NO_PROJECT: usual}
        for name, project in config.projects.items():
            own = project.traces.keep_days
            kept[name] = usual if own is None else own
        return kept
