"""Media go with the traces that told of them: what a project does not want kept any longer is looked for and deleted.

One that was told of within the time for which the project keeps traces stays. So does an older one while a trace that
told of it is in the store. One whose bytes nobody brought within a day is forgotten. The bytes go when no project has
them any more, which is looked for at the end.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.ports import Database, TraceStore
from switchgear.traces.living import living_traces
from switchgear.traces.media import Media
from switchgear.traces.media_uses import remove_old
from switchgear.traces.tables import MEDIA, MEDIA_USES

_DAY_NS: Final = 86_400_000_000_000
_AT_ONCE: Final = 200
KeptDays = Callable[[str], int | None]
"""For how many days a project's traces are kept; None: nothing of it is deleted now."""


class MediaRetention:
    """Deletes what is too old of ``media``. All methods raise OSError."""

    def __init__(self, media: Media, database: Database[AsyncConnection], store: TraceStore) -> None:
        self._media = media
        self._database = database
        self._store = store

    async def turn(self, now_ns: int, kept_days: KeptDays) -> int:
        """Delete what is too old now, and the files that nobody has; how many media."""
        async with self._database.write() as connection:
            # When those were last told of that are older than the note of it, nobody knows: they have their time anew.
            await connection.execute(update(MEDIA).where(MEDIA.c.used_ns == 0).values(used_ns=now_ns))
        async with self._database.read() as connection:
            projects = list((await connection.execute(select(MEDIA.c.project).distinct())).scalars())
        count = 0
        for project in projects:
            count += await self._delete_old(project, now_ns - _DAY_NS, "expected")
            days = kept_days(project)
            if days is not None:
                count += await self._delete_old(project, now_ns - days * _DAY_NS, "here")
        await self._media.sweep()
        return count

    async def _delete_old(self, project: str, before_ns: int, state: str) -> int:
        count, last = 0, ""
        while ids := await self._old(project, before_ns, state, last):
            last = ids[-1]
            living = await self._living(project, ids) if state == "here" else frozenset[str]()
            old = [each for each in ids if each not in living]
            if old:
                async with self._database.write() as connection:
                    count += await remove_old(connection, project, old, before_ns)
        return count

    async def _old(self, project: str, before_ns: int, state: str, last: str) -> Sequence[str]:
        """Some, in the order of their ids."""
        mine = (MEDIA.c.project == project, MEDIA.c.state == state, MEDIA.c.used_ns < before_ns, MEDIA.c.id > last)
        async with self._database.read() as connection:
            asked = select(MEDIA.c.id).where(*mine).order_by(MEDIA.c.id).limit(_AT_ONCE)
            return (await connection.execute(asked)).scalars().all()

    async def _living(self, project: str, ids: Sequence[str]) -> frozenset[str]:
        """Those that a trace told of which is in the store."""
        mine = (MEDIA_USES.c.project == project, MEDIA_USES.c.media.in_(ids))
        async with self._database.read() as connection:
            asked = select(MEDIA_USES.c.media, MEDIA_USES.c.trace_id).where(*mine)
            uses = [(row.media, row.trace_id) for row in await connection.execute(asked)]
        there = await living_traces(self._store, project, {trace_id for _, trace_id in uses})
        return frozenset(media for media, trace_id in uses if trace_id in there)
