"""`python -m bench.captured`: what a gateway that keeps what calls say costs more than one that does not.

Three gateways stand beside each other on one core, and short rounds of saturation go round among them, whole answers
first and streams then. What the machine takes from one round it takes from its neighbours too: a ratio is the median
of those of neighbours.
"""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

from msgspec import Struct

from bench.command import run_command, say
from bench.machine import cpu_time
from bench.payloads import stream_wishes
from bench.programs import Schedule
from bench.report import Bar, number, table
from bench.scenarios import CHUNKS
from bench.stand import Effort, Stand
from bench.subjects import ONE_UPSTREAM, Running, Switchgear

LEAST_RATIO = 0.9
NOTHING = "none"
LEVELS = (NOTHING, "previews", "full")


class Round(Struct, frozen=True):
    """One load on one gateway; microseconds of its CPU for each answer, the flusher's thread included."""

    rps: float
    user_us: float
    system_us: float
    errors: int

    @property
    def cpu_us(self) -> float:
        return self.user_us + self.system_us


Rounds = Mapping[str, list[Round]]


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """Whole answers, then streams, among gateways that keep nothing, previews, and everything."""
    stand = replace(stand, effort=Effort(rounds=2 if quick else 15, seconds=1.0, warmup_seconds=0.5))
    bars: list[Bar] = []
    with ExitStack() as stack:
        gateways = {level: stack.enter_context(stand.running(subject(level))) for level in LEVELS}
        for what, wishes in (("whole answers", ""), (f"streams of {CHUNKS} chunks", stream_wishes(CHUNKS))):
            found = rounds(stand, gateways, wishes)
            say(_table(f"Saturation, 32 connections, {what}", found))
            bars += [
                Bar(f"throughput, full / {NOTHING}, {what}", LEAST_RATIO, ratio(found, "full"), at_least=True),
                Bar(f"least CPU, {NOTHING} / full, {what}", LEAST_RATIO, 1 / cpu_ratio(found, "full"), at_least=True),
            ]
    return bars


def subject(level: str) -> Switchgear:
    return Switchgear(level, f"{ONE_UPSTREAM}traces: {{capture: {level}}}\n")


def rounds(stand: Stand, gateways: Mapping[str, Running], wishes: str) -> Rounds:
    """Those of each gateway, in the order in which they were."""
    effort, is_stream = stand.effort, bool(wishes)
    for running in gateways.values():
        stand.load(running.target, Schedule(effort.warmup_seconds, warmup_seconds=0.0, stream=is_stream), wishes)
    found: dict[str, list[Round]] = {level: [] for level in gateways}
    for _ in range(effort.rounds):
        for level, running in gateways.items():
            found[level].append(_round(stand, running, wishes))
    return found


def _round(stand: Stand, running: Running, wishes: str) -> Round:
    before = cpu_time(running.pids)
    schedule = Schedule(stand.effort.seconds, warmup_seconds=0.0, stream=bool(wishes))
    loaded = stand.load(running.target, schedule, wishes)
    after = cpu_time(running.pids)
    each_us = 1e6 / max(1, loaded.completed_total)
    return Round(
        rps=loaded.rps,
        user_us=(after.user - before.user) * each_us,
        system_us=(after.system - before.system) * each_us,
        errors=loaded.error_total,
    )


def ratio(found: Rounds, level: str) -> float:
    """The median of the rounds' own ratios."""
    return median(mine.rps / plain.rps for mine, plain in zip(found[level], found[NOTHING], strict=True))


def cpu_ratio(found: Rounds, level: str) -> float:
    """The least that an answer cost, by the least without: what the machine took is in neither."""
    return min(each.cpu_us for each in found[level]) / min(each.cpu_us for each in found[NOTHING])


def _table(title: str, found: Rounds) -> str:
    rows = [
        [
            level,
            number(median(each.rps for each in records)),
            number(ratio(found, level), 3),
            number(median(each.user_us for each in records), 1),
            number(median(each.system_us for each in records), 1),
            number(min(each.cpu_us for each in records), 1),
            number(cpu_ratio(found, level), 3),
            number(sum(each.errors for each in records)),
        ]
        for level, records in found.items()
    ]
    titles = ["capture", "rps", f"x {NOTHING}", "user us", "system us", "least CPU us", f"x {NOTHING}", "errors"]
    return table(title, titles, rows)


if __name__ == "__main__":
    sys.exit(run_command("captured", "What keeping what calls say costs.", measure))
