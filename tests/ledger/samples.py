"""Records as the ledger meets them."""

from datetime import date

from msgspec import structs
from sqlalchemy import select

from switchgear.app.database import ControlDatabase
from switchgear.kernel.chat import Usage
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.ledger.listing import Wanted, page
from switchgear.ledger.rerating import Pricing, Rerating, apply, rerate_page
from switchgear.ledger.row import DAY_NS, Row
from switchgear.ledger.statement import Asked, Line, days_since_epoch, lines
from switchgear.ledger.store import take
from switchgear.ledger.tables import ROWS

TODAY = date(2026, 11, 26)
NOON_NS = days_since_epoch(TODAY) * DAY_NS + DAY_NS // 2


def attempt(**changes: object) -> Attempt:
    """One try that was paid for: 12 tokens, 345 nano-dollars."""
    plain = Attempt(
        deployment="openai/gpt",
        provider="openai",
        model="gpt",
        started_ns=NOON_NS,
        status=200,
        usage=Usage(input=10, output=2),
        cost="settled",
        cost_nano_usd=345,
        price="2026-11",
    )
    return structs.replace(plain, **changes)


def record(number: int = 0, **changes: object) -> CallRecord:
    """A call of one attempt; ``number`` is its id, and the nanosecond after noon at which it began."""
    plain = CallRecord(
        id=f"{number:032x}",
        started_ns=NOON_NS + number,
        door="openai",
        operation="chat",
        model="small",
        key="bot",
        team="support",
        project="shop",
        organisation="acme",
        owner="ann",
        status=200,
        attempts=[attempt(started_ns=NOON_NS + number)],
        gateway="g0",
    )
    return structs.replace(plain, **changes)


async def taken(database: ControlDatabase, *records: CallRecord, position: int = 1) -> int:
    """Take records in; how many rows are new."""
    async with database.write() as connection:
        return await take(connection, "here", records, {"segment": position})


async def rows(database: ControlDatabase) -> list[Row]:
    """All rows as they were written, by call and number."""
    async with database.read() as connection:
        found = await connection.execute(select(ROWS).order_by(ROWS.c.call_id, ROWS.c.attempt))
        return [Row(**values) for values in found.mappings()]


async def listed(database: ControlDatabase, limit: int = 100, **wanted: object) -> list[Row]:
    """The first page of a list, with the costs that hold."""
    async with database.read() as connection:
        found = await page(connection, structs.replace(Wanted(), **wanted), limit)
        return [entry.now() for entry in found.entries]


async def stated(database: ControlDatabase, **asked: object) -> list[Line]:
    """The lines of a statement of that day."""
    plain = Asked(period="day", from_day=TODAY, to_day=date.fromordinal(TODAY.toordinal() + 1))
    async with database.read() as connection:
        return [line async for line in lines(connection, structs.replace(plain, **asked))]


async def rerated(database: ControlDatabase, pricing: Pricing, *, dry: bool = False, **wanted: object) -> Rerating:
    """A whole run."""
    done, after, going = Rerating(), None, True
    while going:
        async with database.write() as connection:
            found, changes = await rerate_page(connection, structs.replace(Wanted(), **wanted), after, pricing, done)
            if not dry:
                await apply(connection, changes, made_at_ns=NOON_NS)
        after, going = found.next, found.next is not None
    return done
