"""Traces that are older than their project wants them kept are deleted, once an hour, and what hangs on them as well.

A project that is not declared any more has the time of ``traces.keep_days``, but only a week after this process first
missed it: whoever took it out of the configuration by mistake has time to see the warning in the log.
"""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from switchgear.config import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Holdings
from switchgear.kernel.query import Doomed
from switchgear.processes.hourly import hourly
from switchgear.traces.media_retention import MediaRetention
from switchgear.traces.score_retention import ScoreRetention

_DAY_NS: Final = 86_400_000_000_000
_GRACE_DAYS: Final = 7
NO_PROJECT: Final = "default"
"""Where spans are that came under no key, or under one without a project."""


class _Days(NamedTuple):
    """How long a project's are kept."""

    traces: int
    scores: int
    """And comments."""


class SpanRetention:
    """Deletes what is too old in a store of spans, of media, and of scores and comments."""

    def __init__(
        self,
        store: Holdings,
        config: Callable[[], Config],
        clock: Clock,
        media: MediaRetention | None = None,
        scores: ScoreRetention | None = None,
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._media = media
        self._scores = scores
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
            days = self._days_of_traces(project)
            if days is not None:
                count += await self._store.delete(Doomed(project=project, before_ns=now_ns - days * _DAY_NS))
        self._tell(count, "spans")
        self._tell(
            0 if self._scores is None else await self._scores.turn(now_ns, self._days_of_scores), "scores and comments"
        )
        self._tell(0 if self._media is None else await self._media.turn(now_ns, self._days_of_traces), "media")
        return count

    def _tell(self, count: int, what: str) -> None:
        if count:
            self._log.info("%d %s were old enough to be deleted", count, what)

    def _days_of_traces(self, project: str) -> int | None:
        days = self._days(project)
        return None if days is None else days.traces

    def _days_of_scores(self, project: str) -> int | None:
        days = self._days(project)
        return None if days is None else days.scores

    def _days(self, project: str) -> _Days | None:
        """None: it is missed, and nothing of it is deleted yet."""
        own = self._declared().get(project)
        if own is not None:
            return own
        now_ns = self._clock.wall_ns()
        usual = self._usual()
        if project not in self._missed_ns:
            self._missed_ns[project] = now_ns
            self._log.warning(
                "project %r has traces, or what belongs to some, but is not declared: in %d days what is older than %d "
                "days (traces.keep_days) begins to be deleted; declare it again to have it kept otherwise",
                project,
                _GRACE_DAYS,
                usual.traces,
            )
        return usual if now_ns - self._missed_ns[project] >= _GRACE_DAYS * _DAY_NS else None

    def _usual(self) -> _Days:
        said = self._config().traces
        return _Days(said.keep_days, said.keep_days if said.keep_scores_days is None else said.keep_scores_days)

    def _declared(self) -> dict[str, _Days]:
        usual = self._usual()
        kept = {NO_PROJECT: usual}
        for name, project in self._config().projects.items():
            own = project.traces
            days = usual if own.keep_days is None else _Days(own.keep_days, own.keep_days)
            kept[name] = days if own.keep_scores_days is None else days._replace(scores=own.keep_scores_days)
        return kept
