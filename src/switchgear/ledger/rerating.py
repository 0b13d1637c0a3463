"""Re-rating: what rows cost under another table of prices, from their tokens and their class of service.

A row stays as it was written; what changes is added beside it, and the totals move by the difference in the same
transaction. A row that costs the same is left alone, so that the same table twice changes nothing, and a run that was
broken off is finished by running it again.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct, json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.pricing import Price
from switchgear.ledger.adjustments import Adjustment, adjust
from switchgear.ledger.listing import Cursor, Entry, Page, Wanted, page
from switchgear.ledger.row import Bounds, Row
from switchgear.ledger.store import add_totals
from switchgear.ledger.totals import Totals, scopes_of

Pricing = Callable[[Row], Price | None]
"""What a row's deployment costs under the other table; None when it does not say."""

ROWS_AT_ONCE: Final = 1000


class Difference(Struct, kw_only=True):
    """What a scope's attempts cost, before and after."""

    attempts: int = 0
    old_nano_usd: int = 0
    new_nano_usd: int = 0


class Rerating(Struct, kw_only=True):
    """What a run has done so far, or would do."""

    looked_at: int = 0
    changed: int = 0
    unpriced: int = 0
    """Attempts that the other table has no price for: they stay as they are."""
    differences: dict[tuple[str, str], Difference] = {}
    """By scope and name, of the changed attempts."""

    def take(self, pairs: Iterable[tuple[Row, Row]]) -> None:
        """Count changes: a row as it was, and as it is."""
        for old, new in pairs:
            self.changed += 1
            for place in scopes_of(old):
                found = self.differences.setdefault(place, Difference())
                found.attempts += 1
                found.old_nano_usd += old.cost_nano_usd
                found.new_nano_usd += new.cost_nano_usd


async def rerate_page(
    connection: AsyncConnection, wanted: Wanted, after: Cursor | None, pricing: Pricing, done: Rerating
) -> tuple[Page, list[tuple[Entry, Row]]]:
    """The next rows, and those among them that cost something else: as they stand, and as they would."""
    found = await page(connection, wanted, ROWS_AT_ONCE, after)
    changes: list[tuple[Entry, Row]] = []
    for entry in found.entries:
        old = entry.now()
        price = pricing(old) if old.attempt and old.state != "void" else None
        price = None if price is None else price.at(old.at_ns)
        done.looked_at += 1
        done.unpriced += price is None and old.attempt > 0 and old.state != "void"
        new = old if price is None else rated(old, price)
        if _differs(old, new):
            changes.append((entry, new))
    done.take((entry.now(), new) for entry, new in changes)
    return found, changes


async def apply(connection: AsyncConnection, changes: list[tuple[Entry, Row]], made_at_ns: int) -> None:
    """Write changes down; to be committed by the caller. Raises IntegrityError when another run was faster."""
    totals = Totals()
    totals.add((entry.now() for entry, _ in changes), -1)
    totals.add(new for _, new in changes)
    await adjust(connection, [_adjustment(entry, new, made_at_ns) for entry, new in changes])
    await add_totals(connection, totals)


def rated(row: Row, price: Price) -> Row:
    """The row with what it costs under ``price``; of what nobody knows the usage, only the bounds change."""
    if row.usage_state == "told" and row.reason != "implausible":
        cost = price.cost(row.usage(), row.service)
        return structs.replace(
            row, cost_nano_usd=cost, state="settled", price=price.version, lowest_nano_usd=cost, highest_nano_usd=cost
        )
    measured = price.measured(row.measures(), row.service) if row.usage_state == "none" and row.status else None
    if measured is not None:
        return _measured(row, price, measured)
    if row.usage_state == "estimated" and row.usage().total_input:
        cost = price.cost(row.usage(), row.service)
        row = structs.replace(row, cost_nano_usd=cost, state="estimated", price=price.version)
    return _bounded(row, price)


def _measured(row: Row, price: Price, cost: int) -> Row:
    """What is billed by time, characters or pictures: certain where all of it came, else at most so much."""
    sure = row.outcome == "ok"
    return structs.replace(
        row,
        cost_nano_usd=cost,
        state="settled" if sure else "estimated",
        price=price.version,
        lowest_nano_usd=cost if sure else 0,
        highest_nano_usd=cost,
    )


def _bounded(row: Row, price: Price) -> Row:
    """Between the bounds under ``price``; of a class of service that nobody told, any may have answered."""
    bounds = Bounds() if row.bounds is None else json.decode(row.bounds, type=Bounds)
    services = (row.service,) if row.service else ("", *price.services)
    lowest = 0 if bounds.least is None else price.least(bounds.least, services)
    highest = None if bounds.most is None else max(price.most(bounds.most, services), row.cost_nano_usd)
    return structs.replace(row, lowest_nano_usd=min(lowest, row.cost_nano_usd), highest_nano_usd=highest)


def _differs(old: Row, new: Row) -> bool:
    """Whether money changed: a new version of the table that says the same is none."""
    return (old.cost_nano_usd, old.state) != (new.cost_nano_usd, new.state) or (
        new.state == "unknown" and old.highest_nano_usd != new.highest_nano_usd
    )


def _adjustment(entry: Entry, new: Row, made_at_ns: int) -> Adjustment:
    old = entry.now()
    before = entry.adjusted
    return Adjustment(
        call_id=old.call_id,
        attempt=old.attempt,
        number=1 if before is None else before.number + 1,
        made_at_ns=made_at_ns,
        old_state=old.state,
        new_state=new.state,
        old_price=old.price,
        new_price=new.price,
        old_cost_nano_usd=old.cost_nano_usd,
        new_cost_nano_usd=new.cost_nano_usd,
        old_lowest_nano_usd=old.lowest_nano_usd,
        new_lowest_nano_usd=new.lowest_nano_usd,
        old_highest_nano_usd=old.highest_nano_usd,
        new_highest_nano_usd=new.highest_nano_usd,
    )
