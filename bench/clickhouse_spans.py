"""`python -m bench.clickhouse_spans --url http://USER:PASSWORD@HOST:PORT [--spans 100000]`: spans in ClickHouse.

The spans and questions are those of :mod:`bench.span_store`, in a database of their own, which is dropped. Times are
of the wall, with the server's work in them; those of questions are the best of five.
"""

import argparse
import asyncio
import sys
import time
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from bench.span_store import BATCH, BEGIN_NS, HOUR_NS, Spans, best_ms, questions, say
from switchgear.engines.clickhouse_address import ClickHouseAddress, read_origin
from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.store import ClickHouseSpans
from switchgear.kernel.query import Aggregate, Measure, Window
from switchgear.upstream.client import HttpTransport

DATABASE: Final = "switchgear_bench"


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


async def measure(server: ClickHouseAddress, count: int) -> None:
    transport = HttpTransport()
    above, address = Link(transport, server), replace(server, database=DATABASE)
    await above.rows(f"CREATE DATABASE {DATABASE}")
    try:
        store, spans = ClickHouseSpans(transport, address), Spans()
        await store.start()
        await fill(store, spans, count)
        rows = await above.rows(
            f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{DATABASE}' AND table = 'spans'"
        )
        say(f"{int(rows[0][0]) / count:,.0f} B for each")
        for name, (question, _) in questions(spans, count).items():
            say(f"{name}: {await best_ms(lambda question=question: store.find(question)):.1f} ms")
        p95 = Measure(reduction="quantile", field="duration_ns", q=0.95, approximate=True)
        week = Window(project="bench", since_ns=BEGIN_NS, until_ns=BEGIN_NS + 168 * HOUR_NS)
        hours = Aggregate(
            window=week, by=("model",), bucket="hour", measures=(Measure(reduction="count"), p95), limit=100
        )
        say(f"a week by hour and model, p95: {await best_ms(lambda: store.aggregate(hours)):.1f} ms")
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
