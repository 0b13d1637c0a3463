"""`python -m bench.spans_load --spans 1000000 --dir D`: fill a trace store as fast as it takes spans.

They go straight into the store that `serve` would open in D, or through the normaliser too, or into its sealed segments
without being written first. CPU is that of the whole process within `write` or `load`; making the spans is not counted.
"""

import argparse
import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct, json, structs

from bench.report import Bar, verdicts
from bench.spans_made import WEEK_NS, Made, batches
from switchgear.app.spans import open_sqlite
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import Span
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser

BATCH: Final = 5_000
NOTE: Final = "made.json"
STORE: Final = "traces.db"
Way = Literal["written", "normalised", "sealed"]
MOST_CPU_US: Final[Mapping[Way, float]] = {"written": 100, "sealed": 150}
MOST_BYTES: Final = 1_000.0
"""A span; 10 million are to take less than 10 GB."""


class Note(Struct, frozen=True, kw_only=True):
    """What lies in a folder, for those who ask later."""

    spans: int
    begin_ns: int
    path: str = STORE
    of: int = 0
    """How many the week would have had, where loading was stopped (SIGINT) before its end; 0: all are there."""

    @property
    def made(self) -> Made:
        """The same spans again."""
        return Made(self.of or self.spans, self.begin_ns)


class Filled(Struct, frozen=True, kw_only=True):
    spans: int
    spans_per_second: float
    cpu_us: float
    bytes_each: float


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def opened(folder: Path) -> SqliteSpans:
    """The store in the folder."""
    return await open_sqlite(folder / STORE)


def size_of(folder: Path) -> int:
    """Bytes of all that lies there."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def fill(store: SqliteSpans, made: Made, *, normalised: bool) -> tuple[float, float]:
    """Seconds and seconds of CPU that the store took; with ``normalised`` the normaliser too."""
    normalise, took, cpu = Normaliser(), 0.0, 0.0
    for done, numbers in enumerate(batches(made.count, BATCH), 1):
        spans: list[Span] = [] if normalised else made.spans(numbers)
        told = made.told(numbers) if normalised else []
        began, began_cpu = time.perf_counter(), time.process_time()
        for each in told:
            trace = int(each.trace_id[16:], 16) - 1
            spans.append(normalise(each, Origin(project=made.project(trace), door="otlp")))
        await store.write(spans)
        took += time.perf_counter() - began
        cpu += time.process_time() - began_cpu
        if done % 20 == 0:
            cpu_us = cpu / numbers.stop * 1e6
            say(f"  {numbers.stop:>12,} spans: {numbers.stop / took:,.0f} a second, {cpu_us:.0f} us CPU")
    return took, cpu


async def fill_sealed(store: SqliteSpans, made: Made) -> tuple[float, float, int]:
    """The same of spans that are sealed at once, and how many there are."""
    making = [0.0, 0.0]
    stopped = threading.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)

    def spans() -> Iterator[Span]:
        for done, numbers in enumerate(batches(made.count, BATCH), 1):
            if stopped.is_set():
                return
            began_making = time.perf_counter(), time.process_time()
            some = made.spans(numbers)
            making[0] += time.perf_counter() - began_making[0]
            making[1] += time.process_time() - began_making[1]
            yield from some
            if done % 20 == 0:
                cpu_us = (time.process_time() - began_cpu - making[1]) / numbers.stop * 1e6
                say(f"  {numbers.stop:>12,} spans in {time.perf_counter() - began:,.0f} s: {cpu_us:.0f} us CPU each")

    began, began_cpu = time.perf_counter(), time.process_time()
    count = await store.load(spans(), SystemClock().wall_ns())
    return time.perf_counter() - began - making[0], time.process_time() - began_cpu - making[1], count


async def load(folder: Path, count: int, way: Way) -> Filled:
    """Fill, close, and weigh."""
    note = Note(spans=count, begin_ns=SystemClock().wall_ns() - WEEK_NS)
    store = await opened(folder)
    try:
        if way == "sealed":
            took, cpu, spans = await fill_sealed(store, note.made)
            note = structs.replace(note, spans=spans, of=count)
        else:
            took, cpu = await fill(store, note.made, normalised=way == "normalised")
    finally:
        await store.aclose()
    (folder / NOTE).write_bytes(json.encode(note))
    count = note.spans
    return Filled(
        spans=count, spans_per_second=count / took, cpu_us=cpu / count * 1e6, bytes_each=size_of(folder) / count
    )


def main() -> int:
    """Parse, fill, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.spans_load", description="Fill a trace store.")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, required=True, help="an empty folder, which keeps the store")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--normaliser", action="store_true", help="as senders tell them, through the normaliser")
    ways.add_argument("--sealed", action="store_true", help="into sealed segments at once (needs the extra duckdb)")
    options = parser.parse_args()
    folder: Path = options.dir.absolute()
    if (folder / STORE).exists():
        say(f"{folder / STORE} is there already: name an empty folder")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    way: Way = "sealed" if options.sealed else "normalised" if options.normaliser else "written"
    filled = asyncio.run(load(folder, options.spans, way))
    say(f"{filled.spans:,} spans, {filled.spans_per_second:,.0f} a second")
    bars = [Bar("CPU for each span, us", MOST_CPU_US[way], filled.cpu_us)] if way in MOST_CPU_US else []
    say(verdicts("Bars", [*bars, Bar("on the disk for each span, B", MOST_BYTES, filled.bytes_each)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
