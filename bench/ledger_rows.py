"""How fast the ledger is filled, and how long a page of a list takes among millions of rows.

    python -m bench.ledger_rows [--quick] [--rows 5000000] [--postgres URL]

A first part is taken in as the control process does it, batch by batch; copies of it, shifted in time, make up the
rest. Then pages are read as the API and the command line read them: the first, and one half-way.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.report import Bar, verdicts
from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import upgrade
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.kernel.chat import Usage
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.ledger.listing import Cursor, Wanted, page
from switchgear.ledger.row import DAY_NS
from switchgear.ledger.statement import EPOCH, Asked, lines
from switchgear.ledger.store import take
from switchgear.ledger.tables import ROWS
from switchgear.ledger.totals import SCOPES, TAG

BATCH: Final = 2000
TAKEN: Final = 100_000
PAGE: Final = 50
REPEATS: Final = 7
MOST_MS: Final = 200.0
LEAST_ROWS_PER_SECOND: Final = 5000.0
BEGIN_NS: Final = 20_000 * DAY_NS
STEP_NS: Final = 20_000_000
POSTGRES: Final = "postgresql://postgres@127.0.0.1:5432/test"
NAMES: Final = {"key": "key-7", "owner": "owner-7", "team": "team-7", "project": "project-7", "organisation": "acme"}
NAMES_OF_ALL: Final = {**NAMES, "end_user": "user-777", "model": "model-3", "provider": "provider-1", "tag": "nightly"}


class Found(Struct, kw_only=True):
    """What one engine did."""

    engine: str
    rows_per_second: float
    first_ms: float
    """Of the slowest scope."""
    deep_ms: float
    statement_ms: float


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def record(number: int) -> CallRecord:
    """A call like many: one of 200 keys, 40 teams, 10 projects, 5,000 end users; one in ten has a tag."""
    began_ns = BEGIN_NS + number * STEP_NS
    return CallRecord(
        id=f"{number:032x}",
        started_ns=began_ns,
        door="openai",
        operation="chat",
        model=f"model-{number % 8}",
        key=f"key-{number % 200}",
        owner=f"owner-{number % 100}",
        team=f"team-{number % 40}",
        project=f"project-{number % 10}",
        organisation="acme",
        user=f"user-{number * 7919 % 5000}",
        tags=("nightly",) if number % 10 == 0 else (),
        status=200,
        attempts=[
            Attempt(
                deployment="provider-1/m",
                provider=f"provider-{number % 3}",
                model="m",
                started_ns=began_ns,
                status=200,
                usage=Usage(input=800 + number % 400, output=100 + number % 50),
                cost="settled",
                cost_nano_usd=1_000_000 + number % 1000,
                price="2026-11",
            )
        ],
        gateway="g0",
    )


async def fill(database: ControlDatabase, rows: int) -> float:
    """Take in the first part, copy it until there are enough; rows a second of the first part."""
    taken = min(TAKEN, rows)
    batches = [[record(number) for number in range(at, at + BATCH)] for at in range(0, taken, BATCH)]
    began = time.perf_counter()
    for number, batch in enumerate(batches):
        async with database.write() as connection:
            await take(connection, "bench", batch, {"segment": number})
    seconds = time.perf_counter() - began
    for copy in range(1, rows // taken):
        async with database.write() as connection:
            for statement in copies(copy, taken):
                await connection.execute(text(statement))
    async with database.write() as connection:
        await connection.execute(text("ANALYZE"))
    return taken / seconds


def copies(copy: int, taken: int) -> Iterator[str]:
    """Statements that copy the first part to a later time, under other ids."""
    later_ns = copy * taken * STEP_NS
    last_ns = BEGIN_NS + taken * STEP_NS
    for table in ("ledger_rows", "ledger_tags"):
        columns = [column.name for column in ROWS.columns] if table == "ledger_rows" else TAG_COLUMNS
        changed = {"call_id": f"'{copy:08x}' || substr(call_id, 9)", "at_ns": f"at_ns + {later_ns}"}
        changed["day"] = f"(at_ns + {later_ns}) / {DAY_NS}"
        values = ", ".join(changed.get(name, name) for name in columns)
        # The names are the ledger's own.
        yield f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE at_ns < {last_ns}"


TAG_COLUMNS: Final = ("tag", "at_ns", "call_id", "attempt")


async def timed_ms(ask: Callable[[], Awaitable[object]]) -> float:
    """The median of some, the first one left out."""
    seen: list[float] = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        await ask()
        seen.append((time.perf_counter() - began) * 1000)
    return statistics.median(seen[1:])


async def measure(name: str, database: ControlDatabase, rows: int) -> Found:
    """Fill, then read."""
    await upgrade(database)
    per_second = await fill(database, rows)
    async with database.read() as connection:
        count = (await connection.execute(select(func.count()).select_from(ROWS))).scalar_one()
        say(f"{name}: {count:,} rows, {per_second:,.0f} a second as the control process takes them in")
        middle = Cursor(BEGIN_NS + rows // 2 * STEP_NS, "0", 0)
        firsts: list[float] = []
        deeps: list[float] = []
        for scope in ("", *SCOPES, TAG):
            first, deep = await pages(connection, Wanted(scope=scope, name=NAMES_OF_ALL.get(scope, "")), middle)
            say(f"  {scope or 'all':13} first page {first:7.1f} ms   half-way {deep:7.1f} ms")
            firsts.append(first)
            deeps.append(deep)
        statement_ms = await timed_ms(lambda: stated(connection))
    say(f"  a month's statement of every key: {statement_ms:.1f} ms")
    return Found(
        engine=name,
        rows_per_second=per_second,
        first_ms=max(firsts),
        deep_ms=max(deeps),
        statement_ms=statement_ms,
    )


async def pages(connection: AsyncConnection, wanted: Wanted, middle: Cursor) -> tuple[float, float]:
    first = await timed_ms(lambda: page(connection, wanted, PAGE))
    return first, await timed_ms(lambda: page(connection, wanted, PAGE, middle))


async def stated(connection: AsyncConnection) -> int:
    first = EPOCH.fromordinal(EPOCH.toordinal() + BEGIN_NS // DAY_NS)
    asked = Asked(scope="key", from_day=first, to_day=first.fromordinal(first.toordinal() + 31))
    return len([line async for line in lines(connection, asked)])


async def on_sqlite(rows: int) -> Found:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = open_database(Control(database=Secret(str(Path(folder) / "control.db"))))
        try:
            return await measure("sqlite", database, rows)
        finally:
            await database.aclose()


async def on_postgres(url: str, rows: int) -> Found:
    schema = f"switchgear_bench_{secret_hex(4)}"
    outside = open_database(Control(database=Secret(url)))
    database = open_database(Control(database=Secret(f"{url}?search_path={schema}")))
    try:
        async with outside.write() as connection:
            await connection.execute(text(f"CREATE SCHEMA {schema}"))
        return await measure("postgres", database, rows)
    finally:
        await database.aclose()
        async with outside.write() as connection:
            await connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        await outside.aclose()


def bars(found: Found) -> Iterator[Bar]:
    yield Bar(f"{found.engine}: rows taken in a second", LEAST_ROWS_PER_SECOND, found.rows_per_second, at_least=True)
    yield Bar(f"{found.engine}: first page, slowest scope, ms", MOST_MS, found.first_ms)
    yield Bar(f"{found.engine}: page half-way, slowest scope, ms", MOST_MS, found.deep_ms)


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger_rows", description="The ledger's lists, measured.")
    parser.add_argument("--quick", action="store_true", help="few rows: to see that it works; not to quote")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--postgres", default=POSTGRES, help="a server to make a schema in; empty: SQLite alone")
    options = parser.parse_args()
    rows = 2 * TAKEN if options.quick else options.rows
    found = [asyncio.run(on_sqlite(rows))]
    if options.postgres:
        found.append(asyncio.run(on_postgres(options.postgres, rows)))
    say(verdicts("Bars", [bar for each in found for bar in bars(each)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
