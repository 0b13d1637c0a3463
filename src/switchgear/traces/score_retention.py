"""Scores and comments are deleted some days after they were said last, as their project wants it.

One on a trace stays while the trace is in the store, for some go on long after they were judged. Where one names a
session, or a span and no trace, the store is not asked: it would have to look at every span.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Table, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.ports import Database, TraceStore
from switchgear.traces.living import living_traces
from switchgear.traces.media_retention import KeptDays
from switchgear.traces.tables import COMMENTS, SCORES

_DAY_NS: Final = 86_400_000_000_000
_AT_ONCE: Final = 200


class _Kind(Struct, frozen=True, kw_only=True):
    """What is deleted of a table, whose rows have a project, an id and a trace's id."""

    table: Table
    at: Column[int]
    """The time that they are found by; never after ``said``."""
    said: Column[int]
    """When they were said last."""
    newest: tuple[ColumnElement[bool], ...] = ()


class _Place(Struct, frozen=True):
    at_ns: int
    id: str
    trace_id: str = ""


def _newest_score() -> ColumnElement[bool]:
    other = SCORES.alias()
    same = (other.c.project == SCORES.c.project, other.c.id == SCORES.c.id)
    return SCORES.c.version == select(func.max(other.c.version)).where(*same).scalar_subquery()


_KINDS: Final = (
    _Kind(table=SCORES, at=SCORES.c.at_ns, said=SCORES.c.created_ns, newest=(_newest_score(),)),
    _Kind(table=COMMENTS, at=COMMENTS.c.created_ns, said=COMMENTS.c.changed_ns),
)


class ScoreRetention:
    """Deletes scores and comments that are too old. All methods raise OSError."""

    def __init__(self, database: Database[AsyncConnection], store: TraceStore) -> None:
        self._database = database
        self._store = store

    async def turn(self, now_ns: int, kept_days: KeptDays) -> int:
        """Delete what is too old now; how many, every version of a score counted."""
        count = 0
        for kind in _KINDS:
            async with self._database.read() as connection:
                projects = list((await connection.execute(select(kind.table.c.project).distinct())).scalars())
            for project in projects:
                days = kept_days(project)
                if days is not None:
                    count += await self._delete_old(kind, project, now_ns - days * _DAY_NS)
        return count

    async def _delete_old(self, kind: _Kind, project: str, before_ns: int) -> int:
        count, last = 0, _Place(-1, "")
        while found := await self._old(kind, project, before_ns, last):
            last = found[-1]
            living = await living_traces(self._store, project, {one.trace_id for one in found if one.trace_id})
            old = [one.id for one in found if one.trace_id not in living]
            if old:
                # What was said anew meanwhile stays.
                mine = (kind.table.c.project == project, kind.table.c.id.in_(old), kind.said < before_ns)
                async with self._database.write() as connection:
                    count += (await connection.execute(delete(kind.table).where(*mine))).rowcount
        return count

    async def _old(self, kind: _Kind, project: str, before_ns: int, last: _Place) -> Sequence[_Place]:
        """Some, in the order of their time."""
        table = kind.table
        behind = or_(kind.at > last.at_ns, and_(kind.at == last.at_ns, table.c.id > last.id))
        mine: tuple[Any, ...] = (table.c.project == project, kind.at < before_ns, kind.said < before_ns, *kind.newest)
        asked = select(kind.at, table.c.id, table.c.trace_id).where(*mine, behind).order_by(kind.at, table.c.id)
        async with self._database.read() as connection:
            return [_Place(*row) for row in await connection.execute(asked.limit(_AT_ONCE))]
