"""`python -m bench.lag`: how late the event loop runs with a thousand streams open, huge prompts and rude clients.

At once: 1,000 streams of which each brings a chunk a second, 2 MB prompts (most for an upstream of the same dialect,
some translated), and 1,000 clients a second that ask for a stream and hang up after its first chunk. The lag is taken
from inside, by a beat that is due every millisecond, and from outside, as what a cheap request takes longer than in
quiet. Every request and every beat counts from when it was due.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.command import run_command, say
from bench.heartbeat import FOUND, Beat, read_beats
from bench.open_streams import open_streams
from bench.payloads import stream_wishes
from bench.programs import LoadResult, RunningLoad, Schedule, Target
from bench.report import Bar, number, table
from bench.stand import Stand
from bench.subjects import Running, Switchgear
from bench.timeline import percentile

LAG_MS = 20.0
OPEN_STREAMS = 1000
DISCONNECTS = 1000.0
PROBES = 500.0
PROMPTS = 4.0
TRANSLATED_PROMPTS = 1.0
PROMPT_BYTES = 2 * 1024 * 1024
CHUNK_INTERVAL_US = 1_000_000
WARMUP_SECONDS = 1.0
PROBE_PATH = "/v1/models"
ENDLESS = 1_000_000

UPSTREAMS = """\
providers:
  mock: {kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}
  other: {kind: anthropic, base_url: "http://127.0.0.1:$mock_port", api_key: dummy}
models:
  bench: {deployments: [{model: mock/gpt-bench}]}
  translated: {deployments: [{model: other/claude-bench}]}
"""


@dataclass(frozen=True)
class Span:
    """The probe and the beats of one stretch of time."""

    probe: LoadResult
    beats: list[Beat]

    def late_ms(self, fraction: float) -> float:
        return percentile([beat.late / 1e6 for beat in self.beats], fraction)

    def worked_ms(self, fraction: float) -> float:
        return percentile([beat.worked / 1e6 for beat in self.beats], fraction)


class Watched:
    """A gateway whose loop has a heart."""

    def __init__(self, stand: Stand, running: Running, beats: Path) -> None:
        self.stand = stand
        self.target = running.target
        self.running = running
        self._beats = beats

    def begin(self, schedule: Schedule, model: str = "bench", wishes: str = "", size: int = 0) -> RunningLoad:
        """Put a load on it; ``size`` is that of the prompt, where it is not the usual one."""
        target = replace(self.target, model=model)
        sized = {"size": size} if size else {}
        return self.stand.begin(target, schedule, self.stand.body(target, schedule, wishes, **sized))

    def watch(self, seconds: float) -> Span:
        """Ask the cheap question at a steady rate, and listen to the heart."""
        probe: Target = replace(self.target, path=PROBE_PATH)
        began = time.monotonic_ns()
        schedule = Schedule(seconds, 16, PROBES, warmup_seconds=WARMUP_SECONDS)
        found = self.stand.begin(probe, schedule, None).result()
        time.sleep(1.5)  # the heart writes down what it has once in half a second
        start = began + int(WARMUP_SECONDS * 1e9)
        return Span(found, read_beats(self._beats, start, start + int(seconds * 1e9)))


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """Quiet first, then everything at once."""
    seconds = 3.0 if quick else 20.0
    folder = stand.folder / "watch"
    folder.mkdir()
    with stand.running(Switchgear(upstreams=UPSTREAMS, watch=folder)) as running:
        watched = Watched(stand, running, folder / FOUND)
        quiet = watched.watch(seconds / 2)
        with open_streams(running.target, OPEN_STREAMS, stream_wishes(ENDLESS, CHUNK_INTERVAL_US)) as opened:
            lasting = Schedule(seconds + 2, 256, DISCONNECTS, warmup_seconds=WARMUP_SECONDS, stream=True, leave=True)
            rude = watched.begin(lasting, wishes=stream_wishes(ENDLESS, CHUNK_INTERVAL_US))
            prompts = Schedule(seconds + 2, 16, PROMPTS, warmup_seconds=WARMUP_SECONDS)
            plain = watched.begin(prompts, size=PROMPT_BYTES)
            other = watched.begin(replace(prompts, rate=TRANSLATED_PROMPTS), "translated", size=PROMPT_BYTES)
            cpu, started = running.cpu_seconds(), time.perf_counter()
            busy = watched.watch(seconds)
            share = (running.cpu_seconds() - cpu) / (time.perf_counter() - started)
            found = {"disconnects": rude.result(), "prompts of 2 MB": plain.result(), "translated": other.result()}
            still_open = stand.mock.stats().open_streams
    say(_spans_table({"quiet": quiet, "everything at once": busy}))
    say(_loads_table(found))
    say(f"the gateway used {share:.0%} of its core; {opened} streams were opened, {still_open} stand at the end\n")
    return _bars(quiet, busy, found, min(opened, still_open))


def _bars(quiet: Span, busy: Span, found: dict[str, LoadResult], open_throughout: int) -> list[Bar]:
    added = (busy.probe.latency_us.p999 - quiet.probe.latency_us.p50) / 1e3
    return [
        Bar("lag ms p99.9, inside", LAG_MS, busy.late_ms(0.999)),
        Bar("lag ms p99.9, inside, of the loop's own work", LAG_MS, busy.worked_ms(0.999)),
        Bar("lag ms p99.9, outside: over the quiet median", LAG_MS, added),
        Bar("streams open throughout", OPEN_STREAMS, open_throughout, at_least=True),
        Bar("disconnects a second", 0.98 * DISCONNECTS, found["disconnects"].rps, at_least=True),
        Bar("errors of all loads", 0, sum(each.error_total for each in (*found.values(), busy.probe))),
    ]


def _spans_table(spans: dict[str, Span]) -> str:
    rows: list[Sequence[str]] = []
    for name, span in spans.items():
        fractions = (0.5, 0.99, 0.999, 1.0)
        outside = span.probe.latency_us
        late = "" if not span.probe.bottleneck else "the generator was late"
        kinds = {
            "a request": [each / 1e3 for each in (outside.p50, outside.p99, outside.p999, outside.max)],
            "a beat": [span.late_ms(fraction) for fraction in fractions],
            "a beat, own work": [span.worked_ms(fraction) for fraction in fractions],
        }
        rows += [
            [f"{name}: {kind}", *(number(value, 2) for value in values), late if kind == "a request" else ""]
            for kind, values in kinds.items()
        ]
    return table("Lag in ms", ["what", "p50", "p99", "p99.9", "max", "remark"], rows)


def _loads_table(found: dict[str, LoadResult]) -> str:
    rows = [
        [
            name,
            number(each.rps, 1),
            *(number(value / 1e3, 1) for value in (each.latency_us.p50, each.latency_us.p99)),
            number(each.error_total),
            number(each.unfinished),
        ]
        for name, each in found.items()
    ]
    return table("Loads", ["what", "a second", "p50 ms", "p99", "errors", "unfinished"], rows)


if __name__ == "__main__":
    sys.exit(run_command("lag", "The event loop's lag under streams, huge prompts and rude clients.", measure))
