"""What the newest checks for drift say of each model and prompt of a project."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.ports import Database
from switchgear.traces.drift import store
from switchgear.traces.drift.report import Compared

MOST_REPORTS: Final = 100
"""That are looked at; older ones say nothing."""


class Told(Struct, frozen=True, kw_only=True):
    """What one check says of one model or prompt."""

    at_ns: int
    compared: Compared


class Newest:
    """Reads reports of a project once for each that is added."""

    def __init__(self, database: Database[AsyncConnection]) -> None:
        self._database = database
        self._read: dict[str, tuple[str, Sequence[Told]]] = {}

    async def __call__(self, project: str, since_ns: int) -> Sequence[Told]:
        """All that was told since then, the newest first. Raises OSError."""
        async with self._database.read() as connection:
            newest = await store.newest(connection, project)
            known, told = self._read.get(project, ("", ()))
            if newest != known:
                reports = await store.find(connection, project, MOST_REPORTS, drifted=False)
                told = [Told(at_ns=kept.at_ns, compared=one) for kept in reports for one in kept.report.compared]
                self._read[project] = (newest, told)
        return [one for one in told if one.at_ns >= since_ns]
