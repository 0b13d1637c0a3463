"""`python -m bench.span_store [--quick] [--spans 1000000]`: the trace store on SQLite, filled and asked.

Spans of 1.2 KB of text, ten to a trace, go in as doors write them, 1,000 at a time. CPU is that of the whole process
within `write`; times of questions are the best of five, since other programs share the machine.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import json

from bench.report import Bar, verdicts
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.chat import Usage
from switchgear.kernel.query import Aggregate, Compare, Every, Find, Measure, Said, Tagged, Window
from switchgear.kernel.span import Content, Span

BATCH: Final = 1_000
BEGIN_NS: Final = 1_699_920_000_000_000_000
STEP_NS: Final = 200_000_000
TEXTS: Final = 4_000
ALL: Final = Window(project="bench", since_ns=0, until_ns=2**62)
HOUR_NS: Final = 3_600_000_000_000


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _word(draw: np.random.Generator, size: int) -> str:
    return bytes(draw.integers(97, 123, size, dtype=np.uint8)).decode()


class Spans:
    """Spans like many, of 6,000 different words."""

    def __init__(self) -> None:
        draw = np.random.default_rng(1)
        self.words = [_word(draw, int(size)) for size in draw.integers(3, 10, 6_000)]
        self._long = [self._text(draw, 110) for _ in range(TEXTS)]
        self._short = [self._text(draw, 60) for _ in range(TEXTS)]

    def _text(self, draw: np.random.Generator, count: int) -> str:
        numbers: list[int] = draw.integers(0, len(self.words), count).tolist()
        return " ".join(self.words[number] for number in numbers)

    def _content(self, role: str, text: str, number: int) -> Content:
        part = json.encode({"role": role, "parts": [{"type": "text", "content": f"{number} {text}"}]})
        return Content(parts=(part,), is_messages=True, preview=text[:200])

    def span(self, number: int) -> Span:
        trace, place = divmod(number, 10)
        is_call = number % 3 == 0
        started_ns = BEGIN_NS + number * STEP_NS
        return Span(
            project="bench",
            trace_id=f"{trace:032x}",
            span_id=f"{number:016x}",
            parent_id=f"{trace * 10:016x}" if place else "",
            name=f"step {place}",
            kind="llm" if is_call else "chain",
            started_ns=started_ns,
            ended_ns=started_ns + number * 7919 % 10_000_000_000,
            status="error" if number % 100 == 7 else "ok",
            user=f"user {trace % 5_000}",
            session=f"session {trace // 3}",
            environment="production",
            service="api",
            model=f"model-{number // 3 % 8}" if is_call else "",
            provider="openai" if is_call else "",
            usage=Usage(input=150, output=80) if is_call else None,
            cost_nano_usd=100_000 + number % 1_000 if is_call else None,
            tags=("nightly",) if place == 5 else (),
            input=self._content("user", self._long[number * 31 % TEXTS], number),
            output=self._content("assistant", self._short[number * 17 % TEXTS], number),
            attributes={"gen_ai.request.temperature": 0.5, "server.address": "api.example.com", "server.port": 443},
            resource={"service.name": "api", "telemetry.sdk.language": "python"},
            scope="bench@1",
        )


async def best_ms(ask: Callable[[], Awaitable[object]]) -> float:
    seen: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        await ask()
        seen.append((time.perf_counter() - began) * 1_000)
    return min(seen)


async def fill(store: SqliteSpans, spans: Spans, count: int) -> tuple[float, float]:
    """CPU microseconds for each span: of all, and of the best tenth of batches."""
    each: list[float] = []
    for at in range(0, count, BATCH):
        batch = [spans.span(number) for number in range(at, at + BATCH)]
        began = time.process_time()
        await store.write(batch)
        each.append((time.process_time() - began) / BATCH * 1e6)
    each_sorted = sorted(each)
    return sum(each) / len(each), each_sorted[len(each) // 10]


def questions(spans: Spans, count: int) -> dict[str, tuple[Find, float]]:
    """With their bars in milliseconds."""
    failed = Compare(field="status", value="error")
    two = Every(filters=(Compare(field="model", value="model-3"), failed))
    trace = Compare(field="trace_id", value=f"{count // 20:032x}")
    word = Said(text=spans.words[5])
    return {
        "list of spans": (Find(window=ALL), 50),
        "list of traces": (Find(window=ALL, of="traces"), 50),
        "spans, two filters": (Find(window=ALL, where=two), 50),
        "traces of a user": (Find(window=ALL, of="traces", where=Compare(field="user", value="user 7")), 50),
        "traces with a failure": (Find(window=ALL, of="traces", where=failed), 50),
        "tagged": (Find(window=ALL, where=Tagged(name="nightly")), 50),
        "one trace": (Find(window=ALL, where=trace), 50),
        "a word": (Find(window=ALL, where=word), 300),
        "two words": (Find(window=ALL, where=Said(text=f"{spans.words[5]} {spans.words[6]}")), 300),
        "traces with a word": (Find(window=ALL, of="traces", where=word), 300),
    }


async def measure(count: int) -> list[Bar]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "traces.db"
        store, spans = SqliteSpans(path), Spans()
        await store.start()
        mean_us, best_us = await fill(store, spans, count)
        say(f"{count:,} spans: {mean_us:.0f} us CPU (best tenth {best_us:.0f}), {path.stat().st_size / count:,.0f} B")
        bars = [Bar("CPU for each span, us", 100, mean_us)]
        for name, (question, bar) in questions(spans, count).items():
            found_ms = await best_ms(lambda question=question: store.find(question))
            bars.append(Bar(f"{name}, ms", bar, found_ms))
        quantile = Measure(reduction="quantile", field="duration_ns", q=0.95, approximate=True)
        hours = Window(project="bench", since_ns=BEGIN_NS, until_ns=BEGIN_NS + 168 * HOUR_NS)
        week = Aggregate(
            window=hours, by=("model",), bucket="hour", measures=(Measure(reduction="count"), quantile), limit=100
        )
        bars.append(Bar("a week by hour and model, p95, ms", 200, await best_ms(lambda: store.aggregate(week))))
        await store.aclose()
        return bars


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.span_store", description="The trace store, measured.")
    parser.add_argument("--quick", action="store_true", help="100,000 spans")
    parser.add_argument("--spans", type=int, default=1_000_000)
    options = parser.parse_args()
    say(verdicts("Bars", asyncio.run(measure(100_000 if options.quick else options.spans))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
