"""`python -m bench.clickhouse_spans --url http://USER:PASSWORD@HOST:PORT [--spans 100000]`: spans in ClickHouse.

The spans and questions are those of :mod:`bench.span_store`, in a database of their own, which is dropped. Times are
of the wall, with the server's work in them, and of the server's CPU, merges that go on included; those of questions
are each the least of nine.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from bench.span_store import BATCH, BEGIN_NS, HOUR_NS, Spans, questions, say
from switchgear.engines.clickhouse_address import ClickHouseAddress, read_origin
from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.store import ClickHouseSpans
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.query import Aggregate, Measure, Window
from switchgear.upstream.client import HttpTransport

DATABASE: Final = "switchgear_bench"
ROUNDS: Final = 9


def address_of(url: str) -> ClickHouseAddress:
    """The database ``default`` of a server."""
    parts = urlsplit(url)
    return ClickHouseAddress(
        origin=read_origin(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"),
        database="default",
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
    )


async def fill(store: ClickHouseSpans, spans: Spans, count: int) -> None:
    """Batches of 1,000, one after the other."""
    wall, cpu = 0.0, 0.0
    for at in range(0, count, BATCH):
        batch = [spans.span(number) for number in range(at, at + BATCH)]
        began, began_cpu = time.perf_counter(), time.process_time()
        await store.write(batch)
        wall += time.perf_counter() - began
        cpu += time.process_time() - began_cpu
    say(f"{count:,} spans: {count / wall:,.0f} a second, {cpu / count * 1e6:.0f} us of this process's CPU for each")


async def cpu_ms(server: Link) -> float:
    """What the server has used so far, as it tells itself."""
    rows = await server.rows("SELECT sum(value) FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'")
    return int(rows[0][0]) / 1_000


async def say_least(server: Link, name: str, ask: Callable[[], Awaitable[object]]) -> None:
    """The least times of a question."""
    walls, cpus = list[float](), list[float]()
    for _ in range(ROUNDS):
        before, began = await cpu_ms(server), time.perf_counter()
        await ask()
        walls.append((time.perf_counter() - began) * 1_000)
        cpus.append(await cpu_ms(server) - before)
    say(f"{name}: {min(walls):.1f} ms, {min(cpus):.1f} ms of the server's CPU")


async def measure(server: ClickHouseAddress, count: int) -> None:
    transport = HttpTransport()
    above, address = Link(transport, server), replace(server, database=DATABASE)
    await above.rows(f"CREATE DATABASE {DATABASE}")
    try:
        store, spans = ClickHouseSpans(transport, address, SystemClock()), Spans()
        await store.start()
        await fill(store, spans, count)
        rows = await above.rows(
            f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{DATABASE}' AND table = 'spans'"
        )
        say(f"{int(rows[0][0]) / count:,.0f} B for each")
        for name, (question, _) in questions(spans, count).items():
            await say_least(above, name, lambda question=question: store.find(question))
        p95 = Measure(reduction="quantile", field="duration_ns", q=0.95, approximate=True)
        week = Window(project="bench", since_ns=BEGIN_NS, until_ns=BEGIN_NS + 168 * HOUR_NS)
        hours = Aggregate(
            window=week, by=("model",), bucket="hour", measures=(Measure(reduction="count"), p95), limit=100
        )
        await say_least(above, "a week by hour and model, p95", lambda: store.aggregate(hours))
        await store.aclose()
    finally:
        await above.rows(f"DROP DATABASE {DATABASE}")
        await transport.aclose()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.clickhouse_spans", description=__doc__)
    parser.add_argument("--url", required=True, help="a ClickHouse server")
    parser.add_argument("--spans", type=int, default=100_000)
    options = parser.parse_args(arguments)
    asyncio.run(measure(address_of(options.url), options.spans))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
