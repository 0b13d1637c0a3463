"""`python -m bench.spans_ask --dir D`: ask the store that `bench.spans_load` filled; best of five, in milliseconds.

Then `switchgear serve` is started on it, until it shows the newest traces, and its control process is weighed.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import json

from bench.machine import resident_kb
from bench.report import Bar, verdicts
from bench.span_servers import CONTROL, serving
from bench.span_store import best_ms
from bench.spans_load import NOTE, STORE, Note, opened, say
from bench.spans_made import BUSIEST, MODELS, PER_TRACE, WEEK_NS
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.query import Aggregate, Compare, Every, Find, Measure, Said, Window

ALL: Final = Window(project=BUSIEST, since_ns=0, until_ns=2**62)
COMMON, MIDDLING = 50, 500
"""Ranks of words."""
OPENED: Final = 200
HOUR_NS: Final = 3_600_000_000_000
MILLIONS: Final = 3_000_000
"""With more than these spans, the bars are those of ten million."""
MOST_MB: Final = 1_500
TEN_MILLION_TIMES: Final = 2
"""As long as among a million may a list or a search take among ten."""


async def measure(folder: Path, note: Note) -> list[Bar]:
    """Every question with its bar, which is for a million spans or for ten."""
    made = note.made
    times = TEN_MILLION_TIMES if note.spans > MILLIONS else 1
    two = (Compare(field="model", value=MODELS[3]), Compare(field="status", value="error"))
    questions = {
        "the 50 newest spans": (Find(window=ALL), 50 * times),
        "the 50 newest traces": (Find(window=ALL, of="traces"), 50 * times),
        "two filters": (Find(window=ALL, where=Every(filters=two)), 50 * times),
        "a rare word": (Find(window=ALL, where=Said(text="t10")), 300 * times),
        "a common word": (Find(window=ALL, where=Said(text=made.words[COMMON])), 300 * times),
        "two words": (Find(window=ALL, where=Said(text=f"{made.words[COMMON]} {made.words[MIDDLING]}")), 300 * times),
        "traces with a common word": (
            Find(window=ALL, of="traces", where=Said(text=made.words[COMMON])),
            300 * times,
        ),
    }
    store = await opened(folder)
    try:
        bars = [
            await asked_best(name, bar, lambda asked=asked: store.find(asked))
            for name, (asked, bar) in questions.items()
        ]
        week = await asked_best("a week by hour and model", 200, lambda: store.aggregate(dashboard(note)))
        return [*bars, week, await traces_opened(store, note)]
    finally:
        await store.aclose()


async def asked_best(name: str, bar_ms: float, ask: Callable[[], Awaitable[object]]) -> Bar:
    """The best time of five; what one of five took of the processor is said, which others hardly change."""
    began = time.process_time()
    bar = Bar(f"{name}, ms", bar_ms, await best_ms(ask))
    say(f"{name}: {(time.process_time() - began) / 5 * 1e3:.1f} ms CPU")
    return bar


def dashboard(note: Note) -> Aggregate:
    """Calls, cost and the p95 of a week by hour and model, of whole hours, which rollups answer."""
    since_ns = note.begin_ns // HOUR_NS * HOUR_NS
    quantile = Measure(reduction="quantile", field="duration_ns", q=0.95, approximate=True)
    return Aggregate(
        window=Window(project=BUSIEST, since_ns=since_ns, until_ns=since_ns + WEEK_NS + HOUR_NS),
        by=("model",),
        bucket="hour",
        measures=(Measure(reduction="count"), Measure(reduction="sum", field="cost_nano_usd"), quantile),
    )


async def traces_opened(store: SqliteSpans, note: Note) -> Bar:
    """The p95 of traces drawn from all, each with its first page of spans and one span whole."""
    draw, made = np.random.default_rng(OPENED), note.made
    traces: list[int] = draw.integers(0, note.spans // PER_TRACE, OPENED).tolist()
    took: list[float] = []
    for trace in traces:
        project, trace_id = made.project(trace), made.trace_id(trace)
        window = Window(project=project, since_ns=0, until_ns=2**62)
        began = time.perf_counter()
        where = Compare(field="trace_id", value=trace_id)
        page = await store.find(Find(window=window, where=where, newest_first=False))
        await store.read(project, trace_id, [page.spans[0].span_id])
        took.append((time.perf_counter() - began) * 1e3)
    return Bar(f"{OPENED} traces opened, p95, ms", 50, sorted(took)[OPENED * 95 // 100 - 1])


def served(folder: Path, spans: int) -> list[Bar]:
    """How long `switchgear serve` takes to show the newest traces, and what its control process then holds."""
    start_seconds, most_mb = (5, 1_500) if spans > MILLIONS else (3, 250)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as beside,
        serving("switchgear", Path(beside), folder / STORE) as server,
    ):
        held_mb = resident_kb(server.pids(CONTROL)) / 1024
        used, of_control = server.cpu_seconds(), server.cpu_seconds(CONTROL)
        say(f"start of serve: {used:.2f} s CPU, of which the control process {of_control:.2f}")
        return [
            Bar("start of serve, s", start_seconds, server.start_seconds),
            Bar("control process idle, MB", most_mb, held_mb),
        ]


def main() -> int:
    """Parse, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.spans_ask", description="Ask a filled trace store.")
    parser.add_argument("--dir", type=Path, required=True, help="the folder that bench.spans_load filled")
    folder: Path = parser.parse_args().dir.absolute()
    note = json.decode((folder / NOTE).read_bytes(), type=Note)
    asked = asyncio.run(measure(folder, note))
    held = Bar("asking process, MB", MOST_MB, resident_kb([os.getpid()]) / 1024)
    bars = [*asked, held, *served(folder, note.spans)]
    say(verdicts(f"{note.spans:,} spans", bars))
    return 0


if __name__ == "__main__":
    sys.exit(main())
