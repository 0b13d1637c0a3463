"""Checks for drift, and keeps what they find."""

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Overloaded
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database
from switchgear.traces.drift import store
from switchgear.traces.drift.checking import Checks
from switchgear.traces.drift.report import Question
from switchgear.traces.drift.store import Kept

_RETRY_SECONDS = 5.0


class Drift:
    """One control process' checks."""

    def __init__(self, checks: Checks, database: Database[AsyncConnection], clock: Clock, ids: Ids) -> None:
        self._checks = checks
        self._database = database
        self._clock = clock
        self._ids = ids

    async def check(self, question: Question, made_by: str) -> Kept:
        """Compare now, and keep the report.

        Raises Overloaded when the store of spans does not answer or another check goes on, OSError of the control
        database.
        """
        try:
            report = await self._checks.check(question)
        except OSError as error:
            text = f"the store of spans does not answer: {error}"
            raise Overloaded(text, retry_after_seconds=_RETRY_SECONDS) from error
        kept = Kept(id=self._ids.new(), at_ns=self._clock.wall_ns(), made_by=made_by, report=report)
        async with self._database.write() as connection:
            await store.keep(connection, kept)
        return kept
