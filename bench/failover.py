"""`python -m bench.failover`: a deployment dies under 500 requests a second, and comes back; what do clients notice?

Two mock upstreams are the deployments of one alias. One of them is killed (connections cut, new ones refused), and, in
a second trial, stopped (it takes connections and requests, and says nothing; the streams' first-token timer decides).
"""

import sys
import time
from dataclasses import dataclass

from bench.command import run_command, say
from bench.payloads import stream_wishes
from bench.programs import LoadResult, Mock, Schedule
from bench.report import Bar, Row, number, table
from bench.stand import Stand
from bench.subjects import Switchgear
from bench.timeline import ANSWERED, Answer, between, p99_ms, percentile, read_log

RATE = 500.0
CONNECTIONS = 256
ADDED_MS = 300.0
FIRST_TOKEN_SECONDS = 0.2
SLICE_NS = 100_000_000
WINDOW_NS = 1_000_000_000
SETTLED_SHARE = 0.25
"""Of two deployments of one weight; one that has a quarter of the calls is back."""


@dataclass(frozen=True)
class Course:
    """When what happens, in seconds after the first request; the breaker's defaults are those of the product."""

    strike: float = 4.0
    heal: float = 7.0
    end: float = 16.0


@dataclass(frozen=True)
class Sighting:
    """How many requests an upstream has had since it came back, and when that was seen (monotonic clock)."""

    at_ns: int
    requests: int


@dataclass(frozen=True)
class Trial:
    """One way to fail. ``hangs``: it stands still instead of dying, and the calls are streams."""

    name: str
    hangs: bool

    def strike(self, mock: Mock) -> None:
        if self.hangs:
            mock.hang()
        else:
            mock.kill()

    def heal(self, mock: Mock) -> None:
        if self.hangs:
            mock.wake()
        else:
            mock.start()


TRIALS = (Trial("killed", hangs=False), Trial("hangs", hangs=True))


@dataclass(frozen=True)
class Outcome:
    """What a trial showed; moments on the monotonic clock."""

    trial: Trial
    load: LoadResult
    answers: list[Answer]
    began_ns: int
    struck_ns: int
    healed_ns: int
    sightings: list[Sighting]

    @property
    def added_ms(self) -> float:
        """The worst second's 99th percentile from the blow to the end, less that of the time before."""
        before = p99_ms(between(self.answers, self.began_ns, self.struck_ns))
        starts = range(self.struck_ns, self.answers[-1].due_ns - WINDOW_NS, SLICE_NS)
        return max(p99_ms(between(self.answers, start, start + WINDOW_NS)) for start in starts) - before

    @property
    def return_slices(self) -> list[int]:
        """Requests that the returned upstream had, slice by slice, from the first one it had."""
        counts = _per_slice(self.sightings)
        first = next((at for at, count in enumerate(counts) if count), len(counts))
        return counts[first:]

    @property
    def probes(self) -> float:
        """Times it was tried before it had its share; without end when it never had."""
        settled = SETTLED_SHARE * RATE * SLICE_NS / 1e9
        tries = 0
        for count in self.return_slices:
            if count >= settled:
                return max(1, tries)
            tries += count > 0
        return float("inf")

    @property
    def first_try_seconds(self) -> float | None:
        seen = next((each.at_ns for each in self.sightings if each.requests), None)
        return None if seen is None else (seen - self.healed_ns) / 1e9


def _per_slice(sightings: list[Sighting]) -> list[int]:
    """How many requests came in each slice of time, from the first sighting."""
    counts: list[int] = []
    seen = 0
    for each in sightings:
        at = (each.at_ns - sightings[0].at_ns) // SLICE_NS
        counts += [0] * (at + 1 - len(counts))
        counts[at] += each.requests - seen
        seen = each.requests
    return counts


def upstreams(second_port: int, *, hangs: bool) -> str:
    """The configuration of an alias with two deployments."""
    timers = f", timers: {{first_token_seconds: {FIRST_TOKEN_SECONDS}}}" if hangs else ""
    return f"""\
providers:
  first: {{kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}}
  second: {{kind: openai_compatible, base_url: "http://127.0.0.1:{second_port}/v1", api_key: dummy}}
models:
  bench:
    deployments: [{{model: first/gpt-bench{timers}}}, {{model: second/gpt-bench{timers}}}]
"""


def run_trial(stand: Stand, second: Mock, trial: Trial, course: Course) -> Outcome:
    """Strike the second upstream under load, heal it, and watch."""
    subject = Switchgear(upstreams=upstreams(second.port, hangs=trial.hangs))
    log = stand.folder / f"{trial.name}.log"
    with stand.running(subject) as running:
        schedule = Schedule(
            course.end, CONNECTIONS, RATE, warmup_seconds=0.0, stream=trial.hangs, log=log, drain_seconds=5.0
        )
        wishes = stream_wishes(1) if trial.hangs else ""
        stand.load(running.target, Schedule(0.5, CONNECTIONS, RATE, warmup_seconds=0.0, stream=trial.hangs), wishes)
        load = stand.begin(running.target, schedule, stand.body(running.target, schedule, wishes))
        began = time.monotonic_ns()
        _sleep_until(began, course.strike)
        struck = time.monotonic_ns()
        trial.strike(second)
        _sleep_until(began, course.heal)
        trial.heal(second)
        healed = time.monotonic_ns()
        sightings = _watch(second, began + int(course.end * 1e9))
        found = load.result()
    return Outcome(trial, found, read_log(log), began, struck, healed, sightings)


def _sleep_until(began_ns: int, seconds: float) -> None:
    time.sleep(max(0.0, seconds - (time.monotonic_ns() - began_ns) / 1e9))


def _watch(mock: Mock, until_ns: int) -> list[Sighting]:
    """Count the requests after a moment in which an upstream that hung reads what had come meanwhile."""
    time.sleep(0.1)
    before = mock.stats().requests
    seen: list[Sighting] = []
    while (now := time.monotonic_ns()) < until_ns:
        seen.append(Sighting(now, mock.stats().requests - before))
        time.sleep(SLICE_NS / 5e9)
    return seen


def bars(outcome: Outcome) -> list[Bar]:
    name, load = outcome.trial.name, outcome.load
    return [
        Bar(f"{name}: client errors", 0, load.error_total + load.unfinished),
        Bar(f"{name}: p99 ms added, worst second", ADDED_MS, outcome.added_ms),
        Bar(f"{name}: probes until it had its share again", 1, outcome.probes),
    ]


def course_table(outcome: Outcome) -> str:
    """The load second by second."""
    rows: list[Row] = []
    seconds = round((outcome.answers[-1].due_ns - outcome.began_ns) / WINDOW_NS)
    for second in range(seconds):
        start = outcome.began_ns + second * WINDOW_NS
        found = between(outcome.answers, start, start + WINDOW_NS)
        took = [answer.took_us / 1e3 for answer in found]
        failed = sum(answer.outcome != ANSWERED for answer in found)
        here = [each.requests for each in outcome.sightings if start <= each.at_ns < start + WINDOW_NS]
        rows.append(
            [
                f"{second}",
                number(len(found)),
                number(failed),
                *(number(percentile(took, fraction), 1) for fraction in (0.5, 0.99, 1.0)),
                number(here[-1] - here[0] if here else None),
            ]
        )
    struck, healed = ((moment - outcome.began_ns) / 1e9 for moment in (outcome.struck_ns, outcome.healed_ns))
    first_try = number(outcome.first_try_seconds, 1)
    title = f"{outcome.trial.name}: struck at {struck:.1f} s, healed at {healed:.1f} s, first tried {first_try} s later"
    kinds = {kind: count for kind, count in outcome.load.errors.items() if count}
    title += f"; errors: {kinds or 'none'}"
    return table(title, ["second", "due", "errors", "p50 ms", "p99", "max", "at the returned one"], rows)


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """Both trials, one after the other."""
    course = Course(strike=1.0, heal=2.0, end=9.0) if quick else Course()
    found: list[Bar] = []
    for trial in TRIALS:
        with Mock(stand.plan) as second:
            outcome = run_trial(stand, second, trial, course)
        say(course_table(outcome))
        found += bars(outcome)
    return found


if __name__ == "__main__":
    sys.exit(run_command("failover", "A deployment dies under load and comes back.", measure))
