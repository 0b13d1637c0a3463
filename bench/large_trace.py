"""`python -m bench.large_trace [--spans 50000]`: one trace of very many spans, opened over HTTP.

The first page has the trace's sums and its oldest spans, which is what whoever opens it waits for; the best of nine.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from msgspec import json, structs

from bench.report import Bar, verdicts
from bench.span_servers import CONTROL, SpanServer, serving
from bench.spans_load import BATCH, STORE, opened, say
from bench.spans_made import Made, batches
from switchgear.cli.trace_answers import ShownTrace
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import Span
from switchgear.traces.doors.entrance import DEFAULT_PROJECT

TRACE: Final = f"{0xB16:032x}"
CHILDREN: Final = 20
HOUR_NS: Final = 3_600_000_000_000
MOST_MS: Final = 300.0
PAGE: Final = 200


async def fill(folder: Path, count: int) -> None:
    """One tree, each span with as many children."""
    made = Made(count, SystemClock().wall_ns() - HOUR_NS)
    store = await opened(folder)
    try:
        for numbers in batches(count, BATCH):
            spans = made.spans(numbers)
            await store.write([_placed(span, number) for span, number in zip(spans, numbers, strict=True)])
    finally:
        await store.aclose()


def _placed(span: Span, number: int) -> Span:
    parent = f"{(number - 1) // CHILDREN + 1:016x}" if number else ""
    return structs.replace(
        span, project=DEFAULT_PROJECT, trace_id=TRACE, span_id=f"{number + 1:016x}", parent_id=parent
    )


def page(server: SpanServer, cursor: str = "") -> ShownTrace:
    """One page of it."""
    following = f"&cursor={quote(cursor)}" if cursor else ""
    return json.decode(server.get(f"/api/v1/traces/{TRACE}?limit={PAGE}{following}")[1], type=ShownTrace)


def measure(server: SpanServer, count: int) -> list[Bar]:
    """Its first page, all its pages, and the command that shows it."""
    seen: list[float] = []
    cpu = server.cpu_seconds(CONTROL)
    found = 0
    for _ in range(9):
        began = time.perf_counter()
        found = page(server).trace.span_count
        seen.append((time.perf_counter() - began) * 1e3)
    say(f"the first page: {(server.cpu_seconds(CONTROL) - cpu) / 9 * 1e3:.0f} ms CPU of the control process")
    if found != count:
        raise AssertionError(f"the trace has {found} spans, {count} were written")
    began, cpu, read, following = time.perf_counter(), server.cpu_seconds(CONTROL), 0, ""
    while following is not None:
        told = page(server, following)
        read, following = read + len(told.spans), told.next
    took, used = time.perf_counter() - began, server.cpu_seconds(CONTROL) - cpu
    say(f"all {read:,} spans by {PAGE}: {took:.1f} s, {used:.1f} s CPU of the control process")
    began = time.perf_counter()
    command = [sys.executable, "-m", "switchgear", "traces", "show", TRACE, "--url", f"http://127.0.0.1:{server.port}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    say(f"`switchgear traces show`: {time.perf_counter() - began:.1f} s")
    return [Bar("the first page, ms", MOST_MS, min(seen))]


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.large_trace", description="One trace of very many spans.")
    parser.add_argument("--spans", type=int, default=50_000)
    count: int = parser.parse_args().spans
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = Path(folder)
        asyncio.run(fill(place, count))
        with serving("switchgear", place / "served", place / STORE) as server:
            say(verdicts(f"A trace of {count:,} spans", measure(server, count)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
