"""The proof that nothing was lost and nothing counted twice: journal, rows, totals and counters tell the same.

Each proof goes over what both sides hold. The journal is compared row by row, so that a difference has a name; totals
are compared with rows by day, counters with totals by what they count.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final, Literal

from msgspec import Struct
from sqlalchemy import Executable, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.record import CallRecord
from switchgear.ledger.row import DAY_NS, Row, rows_of
from switchgear.ledger.tables import ADJUSTMENTS, ROWS, TOTALS
from switchgear.ledger.totals import EVERYTHING

MOST_FINDINGS: Final = 1000
_AT_ONCE: Final = 1000

Between = Literal["journal_ledger", "ledger_totals", "totals_counters"]


class Finding(Struct, kw_only=True):
    """One thing that the two sides tell differently."""

    between: Between
    what: Literal["missing", "different", "foreign", "sum"]
    """``missing`` in the ledger; ``foreign``: there, of a call that the journal tells otherwise."""
    where: str
    """A row, as call and attempt; a day; or a counter."""
    one_nano_usd: int = 0
    other_nano_usd: int = 0


class Proof(Struct, kw_only=True):
    """What was compared, and where it did not agree."""

    between: Between
    compared: int = 0
    one_nano_usd: int = 0
    other_nano_usd: int = 0
    difference_nano_usd: int = 0
    """The sum of all differences, each without its sign, so that two do not hide each other."""
    differing: int = 0
    findings: list[Finding] = []
    """The first of them."""

    def find(self, finding: Finding) -> None:
        """Count a difference."""
        self.differing += 1
        self.difference_nano_usd += abs(finding.one_nano_usd - finding.other_nano_usd)
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


async def prove_journal(connection: AsyncConnection, batches: AsyncIterator[list[CallRecord]]) -> Proof:
    """Compare records that the ledger says it has taken in with its rows, as these were written."""
    proof = Proof(between="journal_ledger")
    async for records in batches:
        for at in range(0, len(records), _AT_ONCE):
            await _compare(connection, records[at : at + _AT_ONCE], proof)
    return proof


async def _compare(connection: AsyncConnection, records: list[CallRecord], proof: Proof) -> None:
    expected = {(row.call_id, row.attempt): row for record in records for row in rows_of(record)}
    columns = (ROWS.c.call_id, ROWS.c.attempt, ROWS.c.cost_nano_usd, ROWS.c.state)
    asked = select(*columns).where(ROWS.c.call_id.in_([record.id for record in records]))
    there = {(row.call_id, row.attempt): (row.cost_nano_usd, row.state) for row in await connection.execute(asked)}
    for place, row in expected.items():
        proof.compared += 1
        proof.one_nano_usd += row.cost_nano_usd
        found = there.pop(place, None)
        if found is None:
            proof.find(_finding("missing", row, 0))
            continue
        proof.other_nano_usd += found[0]
        if found != (row.cost_nano_usd, row.state):
            proof.find(_finding("different", row, found[0]))
    for (call_id, number), (cost, _) in sorted(there.items()):
        proof.other_nano_usd += cost
        where = f"{call_id} {number}"
        proof.find(Finding(between=proof.between, what="foreign", where=where, other_nano_usd=cost))


def _finding(what: Literal["missing", "different"], row: Row, found_nano_usd: int) -> Finding:
    return Finding(
        between="journal_ledger",
        what=what,
        where=f"{row.call_id} {row.attempt}",
        one_nano_usd=row.cost_nano_usd,
        other_nano_usd=found_nano_usd,
    )


async def prove_totals(connection: AsyncConnection, from_day: int, to_day: int) -> Proof:
    """Compare, day by day, rows with their adjustments to the totals of everything, in money and in attempts."""
    proof = Proof(between="ledger_totals")
    rows = await _by_day(connection, _sums_of_rows(from_day, to_day))
    changes = await _by_day(connection, _sums_of_adjustments(from_day, to_day))
    totals = await _by_day(connection, _sums_of_totals(from_day, to_day))
    for day in sorted({*rows, *totals}):
        cost, attempts = rows.get(day, (0, 0))
        cost += changes.get(day, (0, 0))[0]
        told_cost, told_attempts = totals.get(day, (0, 0))
        proof.compared += attempts
        proof.one_nano_usd += cost
        proof.other_nano_usd += told_cost
        if (cost, attempts) != (told_cost, told_attempts):
            where = f"day {day}: {attempts} attempts in rows, {told_attempts} in totals"
            finding = Finding(between=proof.between, what="sum", where=where)
            finding.one_nano_usd, finding.other_nano_usd = cost, told_cost
            proof.find(finding)
    return proof


class Counted(Struct, frozen=True, kw_only=True):
    """What a counter says was spent in a scope, from a day on and before another."""

    counter: str
    scope: str
    name: str
    from_day: int
    to_day: int
    nano_usd: int


async def prove_counters(connection: AsyncConnection, counted: Iterable[Counted]) -> Proof:
    """Compare counters of money, nothing of them held for calls under way, with the totals of the same days."""
    proof = Proof(between="totals_counters")
    for counter in counted:
        asked = select(func.coalesce(func.sum(TOTALS.c.cost_nano_usd), 0)).where(
            TOTALS.c.scope == counter.scope,
            TOTALS.c.name == counter.name,
            TOTALS.c.day >= counter.from_day,
            TOTALS.c.day < counter.to_day,
        )
        total = int((await connection.execute(asked)).scalar_one())
        proof.compared += 1
        proof.one_nano_usd += total
        proof.other_nano_usd += counter.nano_usd
        if total != counter.nano_usd:
            finding = Finding(between=proof.between, what="sum", where=counter.counter)
            finding.one_nano_usd, finding.other_nano_usd = total, counter.nano_usd
            proof.find(finding)
    return proof


async def spent(connection: AsyncConnection, scope: str, from_day: int, to_day: int) -> dict[str, int]:
    """Nano-dollars of each name of a scope, from a day on and before another."""
    asked = (
        select(TOTALS.c.name, func.sum(TOTALS.c.cost_nano_usd).label("cost"))
        .where(TOTALS.c.scope == scope, TOTALS.c.day >= from_day, TOTALS.c.day < to_day)
        .group_by(TOTALS.c.name)
    )
    return {row.name: int(row.cost) for row in await connection.execute(asked)}


async def _by_day(connection: AsyncConnection, asked: Executable) -> dict[int, tuple[int, int]]:
    """Cost and attempts, by day."""
    return {row.day: (int(row.cost), int(row.attempts)) for row in await connection.execute(asked)}


def _sums_of_rows(from_day: int, to_day: int) -> Executable:
    cost = func.sum(ROWS.c.cost_nano_usd).label("cost")
    attempts = func.count().filter(ROWS.c.attempt > 0).label("attempts")
    span = (ROWS.c.at_ns >= from_day * DAY_NS, ROWS.c.at_ns < to_day * DAY_NS)
    return select(ROWS.c.day, cost, attempts).where(*span).group_by(ROWS.c.day)


def _sums_of_adjustments(from_day: int, to_day: int) -> Executable:
    cost = func.sum(ADJUSTMENTS.c.new_cost_nano_usd - ADJUSTMENTS.c.old_cost_nano_usd).label("cost")
    same = (ADJUSTMENTS.c.call_id == ROWS.c.call_id) & (ADJUSTMENTS.c.attempt == ROWS.c.attempt)
    span = (ROWS.c.day >= from_day, ROWS.c.day < to_day)
    found = select(ROWS.c.day, cost, func.count().label("attempts")).join_from(ADJUSTMENTS, ROWS, same)
    return found.where(*span).group_by(ROWS.c.day)


def _sums_of_totals(from_day: int, to_day: int) -> Executable:
    sums = (func.sum(TOTALS.c.cost_nano_usd).label("cost"), func.sum(TOTALS.c.attempts).label("attempts"))
    span = (TOTALS.c.scope == EVERYTHING, TOTALS.c.day >= from_day, TOTALS.c.day < to_day)
    return select(TOTALS.c.day, *sums).where(*span).group_by(TOTALS.c.day)
