"""Which traces media belong to: noted each time that a client tells of one, gone with the trace or with the medium.

A medium stays as long as a trace that told of it. Whoever takes one away locks its row first, so that nobody notes
another use of it meanwhile.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.traces.tables import MEDIA, MEDIA_USES


async def note_use(connection: AsyncConnection, medium: tuple[str, str], trace_id: str, now_ns: int) -> bool:
    """A trace tells of a medium (project and id); False where there is none. An empty id: only the time is noted."""
    project, name = medium
    mine = (MEDIA.c.project == project, MEDIA.c.id == name)
    if not (await connection.execute(update(MEDIA).where(*mine).values(used_ns=now_ns))).rowcount:
        return False
    use = {"project": project, "media": name, "trace_id": trace_id}
    known = select(MEDIA_USES.c.media).where(*(MEDIA_USES.c[name] == value for name, value in use.items()))
    if trace_id and (await connection.execute(known)).first() is None:
        await connection.execute(insert(MEDIA_USES).values(**use))
    return True


async def remove_of_traces(connection: AsyncConnection, project: str, trace_ids: Sequence[str]) -> int:
    """Delete the media of these traces, at most 500, but for those of other traces as well; how many."""
    mine = MEDIA_USES.c.project == project
    told = select(MEDIA_USES.c.media).where(mine, MEDIA_USES.c.trace_id.in_(trace_ids)).distinct()
    ids = await _locked(connection, MEDIA.c.project == project, MEDIA.c.id.in_(told))
    await connection.execute(delete(MEDIA_USES).where(mine, MEDIA_USES.c.trace_id.in_(trace_ids)))
    stay: set[str] = set()
    for at in range(0, len(ids), 500):
        others = select(MEDIA_USES.c.media).where(mine, MEDIA_USES.c.media.in_(ids[at : at + 500]))
        stay |= set((await connection.execute(others)).scalars())
    return await _remove(connection, project, [each for each in ids if each not in stay])


async def remove_old(connection: AsyncConnection, project: str, ids: Collection[str], before_ns: int) -> int:
    """Delete those of these, at most 500, that nobody told of since; how many."""
    some = (MEDIA.c.project == project, MEDIA.c.id.in_(ids), MEDIA.c.used_ns < before_ns)
    return await _remove(connection, project, await _locked(connection, *some))


async def _locked(connection: AsyncConnection, *where: ColumnElement[bool]) -> list[str]:
    # In one order, so that two who lock several never wait for each other.
    asked = select(MEDIA.c.id).where(*where).order_by(MEDIA.c.id).with_for_update()
    return list((await connection.execute(asked)).scalars())


async def _remove(connection: AsyncConnection, project: str, ids: Sequence[str]) -> int:
    for at in range(0, len(ids), 500):
        some = ids[at : at + 500]
        await connection.execute(delete(MEDIA).where(MEDIA.c.project == project, MEDIA.c.id.in_(some)))
        await connection.execute(
            delete(MEDIA_USES).where(MEDIA_USES.c.project == project, MEDIA_USES.c.media.in_(some))
        )
    return len(ids)
