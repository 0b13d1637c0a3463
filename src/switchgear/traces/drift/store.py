"""Keeps what checks for drift found; whoever calls holds the transaction."""

from typing import Final

from msgspec import Struct, json
from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.traces.drift.report import Report
from switchgear.traces.drift.tables import REPORTS

KEPT_DAYS: Final = 90
KEPT_OF_A_PROJECT: Final = 500
_DAY_NS: Final = 86_400_000_000_000


class Kept(Struct, frozen=True, kw_only=True):
    """A report, when it was made, and by whom."""

    id: str
    at_ns: int
    made_by: str
    report: Report


async def keep(connection: AsyncConnection, kept: Kept) -> None:
    """Keep one; of its project those go that are too old, or too many."""
    project = kept.report.project
    drifted = any(compared.drifted for compared in kept.report.compared)
    values = {"id": kept.id, "project": project, "at_ns": kept.at_ns, "made_by": kept.made_by}
    body = json.encode(kept.report).decode()
    await connection.execute(insert(REPORTS).values(**values, drifted=int(drifted), body=body))
    newest = select(REPORTS.c.at_ns).where(REPORTS.c.project == project).order_by(REPORTS.c.at_ns.desc())
    last = (await connection.execute(newest.offset(KEPT_OF_A_PROJECT - 1).limit(1))).scalar_one_or_none()
    oldest_ns = max(kept.at_ns - KEPT_DAYS * _DAY_NS, last or 0)
    await connection.execute(delete(REPORTS).where(REPORTS.c.project == project, REPORTS.c.at_ns < oldest_ns))


async def find(
    connection: AsyncConnection, project: str, limit: int, before: tuple[int, str] | None = None, *, drifted: bool
) -> list[Kept]:
    """The newest first, behind ``before`` (a moment and an id); with ``drifted`` only those that tell drift."""
    asked = select(REPORTS).where(REPORTS.c.project == project)
    if drifted:
        asked = asked.where(REPORTS.c.drifted == 1)
    if before is not None:
        at_ns, last = before
        asked = asked.where(or_(REPORTS.c.at_ns < at_ns, and_(REPORTS.c.at_ns == at_ns, REPORTS.c.id < last)))
    asked = asked.order_by(REPORTS.c.at_ns.desc(), REPORTS.c.id.desc()).limit(limit)
    return [
        Kept(id=row["id"], at_ns=row["at_ns"], made_by=row["made_by"], report=json.decode(row["body"], type=Report))
        for row in (await connection.execute(asked)).mappings()
    ]


async def newest(connection: AsyncConnection, project: str) -> str:
    """The id of a project's newest report; empty where there is none."""
    asked = select(REPORTS.c.id).where(REPORTS.c.project == project)
    found = await connection.execute(asked.order_by(REPORTS.c.at_ns.desc(), REPORTS.c.id.desc()).limit(1))
    return found.scalar_one_or_none() or ""


async def is_made_since(connection: AsyncConnection, project: str, made_by: str, since_ns: int) -> bool:
    """Whether somebody has made a report of a project after a time."""
    asked = select(REPORTS.c.id).where(
        REPORTS.c.project == project, REPORTS.c.made_by == made_by, REPORTS.c.at_ns > since_ns
    )
    return (await connection.execute(asked.limit(1))).first() is not None
