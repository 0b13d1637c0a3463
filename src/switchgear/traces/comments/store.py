"""Keeps comments and finds them, in the transaction of who asks."""

from collections.abc import Sequence

from msgspec import Struct, structs
from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.traces.tables import COMMENTS


class Comment(Struct, frozen=True, kw_only=True):
    """What somebody says about a span, else a trace, else a session."""

    id: str
    project: str
    trace_id: str = ""
    span_id: str = ""
    session: str = ""
    author: str
    """Kind and name: ``user:ada``."""
    text: str
    created_ns: int
    changed_ns: int


class Sought(Struct, frozen=True, kw_only=True):
    """Which comments of a project are wanted; what is empty is not asked for."""

    project: str
    trace_id: str = ""
    span_id: str = ""
    session: str = ""
    limit: int = 50
    before: tuple[int, str] | None = None
    """The moment and the id of the last one of the page before."""


async def add(connection: AsyncConnection, comment: Comment) -> None:
    """Keep a new one."""
    await connection.execute(insert(COMMENTS), structs.asdict(comment))


async def count_beside(connection: AsyncConnection, comment: Comment) -> int:
    """How many comments its trace, or else its session, has."""
    field = "trace_id" if comment.trace_id else "session"
    same = COMMENTS.c[field] == getattr(comment, field)
    asked = select(func.count()).select_from(COMMENTS).where(COMMENTS.c.project == comment.project, same)
    return int((await connection.execute(asked)).scalar_one())


async def read(connection: AsyncConnection, id: str) -> Comment | None:
    """One, of whatever project."""
    row = (await connection.execute(select(COMMENTS).where(COMMENTS.c.id == id))).mappings().first()
    return None if row is None else Comment(**row)


async def find(connection: AsyncConnection, sought: Sought) -> list[Comment]:
    """The newest first."""
    named = {"trace_id": sought.trace_id, "span_id": sought.span_id, "session": sought.session}
    asked = select(COMMENTS).where(COMMENTS.c.project == sought.project)
    for field, name in named.items():
        if name:
            asked = asked.where(COMMENTS.c[field] == name)
    if sought.before is not None:
        at_ns, last = sought.before
        earlier = COMMENTS.c.created_ns < at_ns
        asked = asked.where(or_(earlier, and_(COMMENTS.c.created_ns == at_ns, COMMENTS.c.id < last)))
    asked = asked.order_by(COMMENTS.c.created_ns.desc(), COMMENTS.c.id.desc()).limit(sought.limit)
    return [Comment(**row) for row in (await connection.execute(asked)).mappings()]


async def change(connection: AsyncConnection, id: str, text: str, now_ns: int) -> None:
    """Give one another text."""
    await connection.execute(update(COMMENTS).where(COMMENTS.c.id == id).values(text=text, changed_ns=now_ns))


async def remove(connection: AsyncConnection, id: str) -> None:
    """Delete one."""
    await connection.execute(delete(COMMENTS).where(COMMENTS.c.id == id))


async def remove_of_traces(connection: AsyncConnection, project: str, trace_ids: Sequence[str]) -> int:
    """Delete those on these traces, at most 500, and on their spans; how many."""
    doomed = delete(COMMENTS).where(COMMENTS.c.project == project, COMMENTS.c.trace_id.in_(trace_ids))
    return (await connection.execute(doomed)).rowcount
