"""Projects are checked for drift once a day, where the configuration says so."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.config import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Overloaded
from switchgear.kernel.ports import Database
from switchgear.processes.span_retention import NO_PROJECT
from switchgear.traces.drift import store
from switchgear.traces.drift.report import Question
from switchgear.traces.drift.service import Drift

DAILY: Final = "job:daily"
"""Who made the reports of these rounds."""
_PAUSE_SECONDS: Final = 600.0
_DAY_NS: Final = 86_400_000_000_000


class DriftRounds:
    """Checks each project whose last daily check is a day old, whichever control process made it."""

    def __init__(
        self, drift: Drift, database: Database[AsyncConnection], config: Callable[[], Config], clock: Clock
    ) -> None:
        self._drift = drift
        self._database = database
        self._config = config
        self._clock = clock
        self._log = logging.getLogger("switchgear.drift")

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                await self.turn()
            except (OSError, SQLAlchemyError, Overloaded) as error:
                self._log.warning("projects cannot be checked for drift, and are tried again in 10 minutes: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def turn(self) -> int:
        """Check what is due now; how many projects. Raises OSError, or Overloaded when spans cannot be asked."""
        config = self._config()
        settings = config.traces.drift
        if not settings.daily:
            return 0
        count = 0
        for project in (NO_PROJECT, *(name for name in config.projects if name != NO_PROJECT)):
            if await self._is_checked(project):
                continue
            question = Question(
                project=project, current_hours=settings.current_hours, reference_days=settings.reference_days
            )
            kept = await self._drift.check(question, DAILY)
            count += 1
            drifted = [compared for compared in kept.report.compared if compared.drifted]
            if drifted:
                self._log.warning(
                    "drift in project %s, of %d models and prompts: `switchgear drift list --drifted`",
                    project,
                    len(drifted),
                )
        return count

    async def _is_checked(self, project: str) -> bool:
        since_ns = self._clock.wall_ns() - _DAY_NS
        async with self._database.read() as connection:
            return await store.is_made_since(connection, project, DAILY, since_ns)
