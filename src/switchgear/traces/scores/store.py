"""Keeps scores and finds them; for doors, which have no transaction of their own, and for the management API."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Overloaded
from switchgear.kernel.ports import Database
from switchgear.traces.scores.model import MaskText, Score, checked, masked
from switchgear.traces.tables import SCORES

_AT_ONCE: Final = 500
"""Names in one question: engines bound how many there may be."""
_TOLD_ANEW: Final = ("version", "created_ns", "at_ns")


class Sought(Struct, frozen=True, kw_only=True):
    """Which scores of a project are wanted; what is empty is not asked for."""

    project: str
    ids: Collection[str] = ()
    trace_ids: Collection[str] = ()
    span_ids: Collection[str] = ()
    sessions: Collection[str] = ()
    names: Collection[str] = ()
    target: str = ""
    data_type: str = ""
    source: str = ""
    door: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    limit: int = 50
    before: tuple[int, str] | None = None
    """The moment and the id of the last one of the page before."""

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for the database."""
        found: list[ColumnElement[bool]] = [SCORES.c.project == self.project]
        sets = {"id": self.ids, "trace_id": self.trace_ids, "span_id": self.span_ids, "session": self.sessions}
        for column, wanted in {**sets, "name": self.names}.items():
            if wanted:
                found.append(SCORES.c[column].in_(wanted))
        texts = {"target": self.target, "data_type": self.data_type, "source": self.source, "door": self.door}
        found += [SCORES.c[column] == text for column, text in texts.items() if text]
        if self.since_ns is not None:
            found.append(SCORES.c.at_ns >= self.since_ns)
        if self.until_ns is not None:
            found.append(SCORES.c.at_ns < self.until_ns)
        if self.before is not None:
            at_ns, last = self.before
            found.append(or_(SCORES.c.at_ns < at_ns, and_(SCORES.c.at_ns == at_ns, SCORES.c.id < last)))
        return found


class Scores:
    """Scores of all projects. All methods raise OSError when the database cannot be used."""

    def __init__(self, database: Database[AsyncConnection], clock: Clock, mask: MaskText) -> None:
        self._database = database
        self._clock = clock
        self._mask = mask

    async def add(self, scores: Sequence[Score]) -> None:
        """Keep scores that were checked; what was said just so before is left as it is. Raises Overloaded."""
        if not scores:
            return
        try:
            async with self._database.write() as connection:
                await add(connection, [masked(score, self._mask) for score in scores], self._clock.wall_ns())
        except IntegrityError:
            raise Overloaded("somebody else says the same score now; send it again", retry_after_seconds=1) from None

    async def find(self, sought: Sought) -> list[Score]:
        """The newest first."""
        async with self._database.read() as connection:
            return await find(connection, sought)

    async def change(self, project: str, id: str, **values: object) -> Score | None:
        """Say a score anew with other values; None when there is none. Raises BadRequest."""
        async with self._database.write() as connection:
            found = await find(connection, Sought(project=project, ids=(id,), limit=1))
            if not found:
                return None
            changed = checked(structs.replace(found[0], **values))
            await add(connection, [masked(changed, self._mask)], self._clock.wall_ns())
            return changed


async def add(connection: AsyncConnection, scores: Sequence[Score], now_ns: int) -> None:
    """Keep scores in the transaction that is open."""
    newest: dict[tuple[str, str], Score] = {}
    for start in range(0, len(scores), _AT_ONCE):
        some = scores[start : start + _AT_ONCE]
        wanted = SCORES.c.id.in_({score.id for score in some})
        projects = SCORES.c.project.in_({score.project for score in some})
        asked = select(SCORES).where(wanted, projects).order_by(SCORES.c.version)
        for row in (await connection.execute(asked)).mappings():
            newest[row["project"], row["id"]] = Score(**row)
    rows: list[dict[str, Any]] = []
    for score in scores:
        place = (score.project, score.id)
        known = newest.get(place)
        if known is not None and _same(known, score):
            continue
        version = 0 if known is None else known.version + 1
        # Whatever a sender's clock says, none is given later than now, nor kept for ever so.
        newest[place] = structs.replace(score, version=version, created_ns=now_ns, at_ns=min(score.at_ns, now_ns))
        rows.append(structs.asdict(newest[place]))
    if rows:
        await connection.execute(insert(SCORES), rows)


async def find(connection: AsyncConnection, sought: Sought) -> list[Score]:
    """Scores as they stand now, the newest first."""
    other = SCORES.alias()
    newest = (
        select(func.max(other.c.version))
        .where(other.c.project == SCORES.c.project, other.c.id == SCORES.c.id)
        .scalar_subquery()
    )
    asked = select(SCORES).where(*sought.conditions, SCORES.c.withdrawn == 0, SCORES.c.version == newest)
    asked = asked.order_by(SCORES.c.at_ns.desc(), SCORES.c.id.desc()).limit(sought.limit)
    return [Score(**row) for row in (await connection.execute(asked)).mappings()]


async def remove(connection: AsyncConnection, project: str, trace_ids: Sequence[str]) -> int:
    """Delete every version of the scores on these traces, at most 500, and on their spans; how many rows.

    Scores that name a span alone stay, and those of a whole session.
    """
    return await _remove(connection, project, {"trace_id": trace_ids})


async def remove_of_spans(connection: AsyncConnection, project: str, span_ids: Sequence[str]) -> int:
    """Delete every version of the scores that name one of these spans and no trace; how many rows."""
    count = 0
    for start in range(0, len(span_ids), _AT_ONCE):
        some = span_ids[start : start + _AT_ONCE]
        count += await _remove(connection, project, {"span_id": some, "trace_id": ("",)})
    return count


async def _remove(connection: AsyncConnection, project: str, named: Mapping[str, Sequence[str]]) -> int:
    """Delete versions that name these, and those before them, which would count again otherwise; how many."""
    other = SCORES.alias()
    fits = (other.c.project == project, *(other.c[column].in_(names) for column, names in named.items()))
    ids = select(other.c.id).where(*fits)
    last = select(func.max(other.c.version)).where(*fits, other.c.id == SCORES.c.id).scalar_subquery()
    doomed = delete(SCORES).where(SCORES.c.project == project, SCORES.c.id.in_(ids), SCORES.c.version <= last)
    return (await connection.execute(doomed)).rowcount


def _same(one: Score, other: Score) -> bool:
    fields = [field for field in one.__struct_fields__ if field not in _TOLD_ANEW]
    return all(getattr(one, field) == getattr(other, field) for field in fields)
