"""`python -m bench.spans_ingest --seconds S --clients N [--peers]`: spans through the port of `switchgear serve`.

Each request is OTLP over HTTP in protobuf, 512 spans with 1.2 KB of text each, made beforehand; they begin within the
last ten minutes, as those of applications that run do (of a week, `--over 604800`, hardly two would share a minute of
the sums). First one client sends for half of the time at a given rate, late or not, which tells how long an export
takes from when it was due; then all do, each its next request when the last one was answered, which tells the rate
until the last span can be asked for: there a request waits for those of the others, whoever is asked. Then all go on
for a quarter of the time and ask for what they sent, which tells when it is seen. At the end the control process is
killed with requests under way, and every span that was acknowledged is looked for. Each server has one core; senders,
and the gateway that hands requests on to our own, have the other. With `--peers` the same bytes go to Phoenix and
MLflow, until the last of them is committed to their SQLite; they get some beforehand, as they load much with the first
ones, and what they do not take is sent to them again.
"""

import argparse
import http.client
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from bench.machine import conditions, plan_cores
from bench.report import Bar, Row, number, table, verdicts
from bench.span_servers import CONTROL, PLANS, SpanServer, serving
from bench.spans_load import say
from bench.spans_made import Made, batches
from bench.subjects import Unavailable
from switchgear.kernel.clock import SystemClock
from switchgear.wire import otlp_protobuf

PER_REQUEST: Final = 512
MOST_A_SECOND: Final = 10_000
"""Spans that are made beforehand for each second; a run that needs more ends earlier."""
LOOKED_FOR: Final = 2
"""Every so many requests, the first trace of one is asked for until it is there."""
LAST_LOOKED_FOR: Final = 8
"""Requests that were answered last: when their traces are found, so is all that came before."""
LOOKING_SHARE: Final = 4
"""The part of the time in which that is done, after the rate was taken: who asks costs the server something, too."""
PEERS_SECONDS: Final = 300.0
HEADER: Final = ("server", "spans", "seconds", "spans/s", "CPU us/span")
WARMING: Final = 2
"""Requests before the clock runs."""
PEERS_WARMING: Final = 8
"""The same for peers, each over a connection of its own, so that all their workers get one."""
PEERS_TRIES: Final = 10
STALL_MS: Final = 1_000
"""An export that takes so long alone has met a standstill."""


@dataclass(frozen=True)
class Payload:
    """Requests on the disk, in their order."""

    made: Made
    paths: list[Path]

    def trace_of(self, request: int) -> str:
        """The first trace that is wholly in it."""
        return self.made.trace_id((request * PER_REQUEST + 9) // 10)


@dataclass
class Sent:
    """What clients saw."""

    took_ms: list[float] = field(default_factory=list[float])
    visible_ms: list[float] = field(default_factory=list[float])
    acknowledged: list[int] = field(default_factory=list[int])
    """Numbers of requests."""
    troubles: Counter[str] = field(default_factory=Counter[str])
    """Why requests were refused, or cut."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What one server did."""

    name: str
    spans: int
    seconds: float
    cpu_us: float
    """For each span, of the process that keeps spans; of peers, of all their processes."""

    @property
    def spans_per_second(self) -> float:
        return self.spans / self.seconds


@dataclass(frozen=True)
class Mine:
    """What our own did: for one client alone, and for all at once."""

    outcome: Outcome
    alone: Sent
    at_once: Sent
    looking: Sent
    lost: int
    """Spans that were acknowledged, and gone after the kill."""


class Clients:
    """Each sends one request after the other, and takes the next of ``numbers`` that nobody has sent."""

    def __init__(
        self, server: SpanServer, payload: Payload, numbers: Iterable[int], *, looking: bool = False, tries: int = 1
    ) -> None:
        self.sent = Sent()
        self.interval_seconds = 0.0
        """From one request of a client to when its next is due; 0: when the last one was answered."""
        self._server = server
        self._payload = payload
        self._looking = looking
        self._tries = tries
        self._numbers = iter(numbers)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._began = 0.0

    def start(self, count: int) -> None:
        self._began = time.perf_counter()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Nothing new is sent."""
        self._ended.set()

    def stop(self) -> None:
        """Nothing new is sent, and the seconds stand."""
        self.finish()
        self.sent.seconds = self.sent.seconds or time.perf_counter() - self._began

    def join(self, seconds: float | None = None) -> None:
        """Until all have ended, or so long."""
        until = None if seconds is None else time.perf_counter() + seconds
        for thread in self._threads:
            thread.join(None if until is None else max(until - time.perf_counter(), 0))

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=120)
        headers = {"content-type": "application/x-protobuf", **self._server.plan.headers}
        due = self._began
        while not self._ended.is_set():
            due = self._due(due)
            with self._lock:
                request = next(self._numbers, None)
            if request is None:
                break
            for _ in range(self._tries):
                try:
                    if self._send(connection, request, headers, due):
                        break
                except (OSError, http.client.HTTPException) as trouble:
                    # Of our own, only the kill does this: what is not acknowledged is not looked for.
                    connection.close()
                    self.sent.troubles[type(trouble).__name__] += 1
        connection.close()

    def _due(self, last: float) -> float:
        """When the next request begins, waited for."""
        if not self.interval_seconds:
            return time.perf_counter()
        due = last + self.interval_seconds
        time.sleep(max(due - time.perf_counter(), 0))
        return due

    def _send(self, connection: http.client.HTTPConnection, request: int, headers: dict[str, str], due: float) -> bool:
        """Whether it was acknowledged."""
        body = self._payload.paths[request].read_bytes()
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        ended = time.perf_counter()
        if answer.status != 200:
            self.sent.troubles[f"{answer.status} {said[:200].decode(errors='replace')}"] += 1
            return False
        self.sent.took_ms.append((ended - due) * 1e3)
        self.sent.acknowledged.append(request)
        if self._looking and request % LOOKED_FOR == 0:
            while self._server.get(f"/api/v1/traces/{self._payload.trace_of(request)}?limit=1")[0] != 200:
                pass
            # What waited for the restart after the kill says nothing about asking.
            if not self._ended.is_set():
                self.sent.visible_ms.append((time.perf_counter() - ended) * 1e3)
        return True


def make(folder: Path, spans: int, over_seconds: int) -> Payload:
    """Requests of ``spans`` spans that all begin within the last seconds."""
    over_ns = over_seconds * 1_000_000_000
    made = Made(spans, SystemClock().wall_ns() - over_ns, mark=0x1A6E57, over_ns=over_ns)
    paths: list[Path] = []
    for at, numbers in enumerate(batches(spans, PER_REQUEST)):
        paths.append(folder / f"{at:06d}.pb")
        paths[-1].write_bytes(otlp_protobuf.write(made.told(numbers)))
    return Payload(made, paths)


def alone(server: SpanServer, payload: Payload, numbers: Iterable[int], seconds: float, rate: float) -> Sent:
    """What one client sees that sends so many spans a second, for so long."""
    clients = Clients(server, payload, numbers)
    clients.interval_seconds = PER_REQUEST / rate
    clients.start(1)
    clients.join(seconds)
    clients.stop()
    clients.join()
    return clients.sent


def await_found(server: SpanServer, payload: Payload, sent: Sent) -> None:
    """Until all that was acknowledged can be asked for."""
    for request in sent.acknowledged[-LAST_LOOKED_FOR:]:
        while server.get(f"/api/v1/traces/{payload.trace_of(request)}?limit=1")[0] != 200:
            time.sleep(0.005)


def own(server: SpanServer, payload: Payload, options: argparse.Namespace) -> Mine:
    """What our own does, and what a kill at the end loses."""
    seconds, count = options.seconds, options.clients
    numbers = iter(range(len(payload.paths)))
    await_found(server, payload, alone(server, payload, islice(numbers, WARMING), seconds, options.rate))
    first = alone(server, payload, numbers, seconds / 2, options.rate)
    await_found(server, payload, first)
    clients = Clients(server, payload, numbers)
    before = server.cpu_seconds(CONTROL)
    clients.start(count)
    clients.join(seconds)
    clients.finish()
    clients.join()
    await_found(server, payload, clients.sent)
    cpu, spans = server.cpu_seconds(CONTROL) - before, len(clients.sent.acknowledged) * PER_REQUEST
    clients.stop()
    looking = Clients(server, payload, numbers, looking=True)
    looking.start(count)
    looking.join(seconds / LOOKING_SHARE)
    took = time.perf_counter()
    server.kill_control()
    looking.stop()
    looking.join()
    say(f"killed with {count} clients at work, {time.perf_counter() - took:.1f} s until all had ended")
    server.await_ready()
    kept = server.span_ids()
    acknowledged = [*first.acknowledged, *clients.sent.acknowledged, *looking.sent.acknowledged]
    wanted = {f"{n + 1:016x}" for r in acknowledged for n in range(r * PER_REQUEST, (r + 1) * PER_REQUEST)}
    outcome = Outcome("switchgear", spans, clients.sent.seconds, cpu / spans * 1e6)
    return Mine(outcome, first, clients.sent, looking.sent, len(wanted - kept))


def peer(name: str, folder: Path, payload: Payload, cache: Path, count: int) -> Outcome:
    """Until the last span is committed. Raises Unavailable."""
    with serving(name, folder, cache) as server:
        for number in range(PEERS_WARMING):
            warm = Clients(server, payload, (number,), tries=PEERS_TRIES)
            warm.start(1)
            warm.join()
        known = server.kept()
        before, began = server.cpu_seconds(), time.perf_counter()
        clients = Clients(server, payload, range(PEERS_WARMING, len(payload.paths)), tries=PEERS_TRIES)
        clients.start(count)
        clients.join(PEERS_SECONDS)
        clients.stop()
        if clients.sent.troubles:
            say(f"{name} did not take at once: {dict(clients.sent.troubles)}")
        while (kept := server.kept()) < payload.made.count and time.perf_counter() - began < PEERS_SECONDS:
            time.sleep(0.05)
        took, cpu, fresh = time.perf_counter() - began, server.cpu_seconds() - before, kept - known
        if not fresh:
            raise Unavailable(f"{name} kept nothing: {dict(clients.sent.troubles)}")
        return Outcome(name, fresh, took, cpu / fresh * 1e6)


def percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent, method="inverted_cdf")) if values else None


def stalls(sent: Sent) -> int:
    return sum(took > STALL_MS for took in sent.took_ms)


def told(who: str, sent: Sent) -> str:
    """How long exports took."""
    p50, p99, most = (number(percentile(sent.took_ms, percent), 1) for percent in (50, 99, 100))
    troubles = f"; not taken: {dict(sent.troubles)}" if sent.troubles else ""
    return f"{who}: {len(sent.took_ms):,} exports, p50 {p50} ms, p99 {p99}, longest {most}{troubles}"


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    return [
        [each.name, number(each.spans), number(each.seconds, 1), number(each.spans_per_second), number(each.cpu_us)]
        for each in outcomes
    ]


def measure(folder: Path, options: argparse.Namespace) -> list[Bar]:
    """All of it; what is seen on the way is said."""
    wanted = options.seconds * 7 // 4 * MOST_A_SECOND // PER_REQUEST * PER_REQUEST
    say(f"making {wanted:,} spans")
    bodies = folder / "bodies"
    bodies.mkdir()
    payload = make(bodies, wanted, options.over)
    with serving("switchgear", folder / "switchgear", folder / "switchgear" / "traces.db") as server:
        mine = own(server, payload, options)
    say(table("Spans", HEADER, rows([mine.outcome])))
    outcomes = [mine.outcome, *peers(folder, options)]
    rates = {each.name: mine.outcome.spans_per_second / each.spans_per_second for each in outcomes}
    say(told(f"one client, {options.rate:,} spans/s", mine.alone))
    say(told(f"{options.clients} at once", mine.at_once) + "\n")
    return [
        Bar("acknowledged spans lost by kill -9", 0, mine.lost),
        Bar("spans/s", 5_000, mine.outcome.spans_per_second, at_least=True),
        Bar("CPU of the control process, ms/span", 0.2, mine.outcome.cpu_us / 1e3),
        Bar("export p99 of one client, ms", 100, percentile(mine.alone.took_ms, 99)),
        Bar(f"exports of one client over {STALL_MS} ms", 0, stalls(mine.alone)),
        Bar("from acknowledged to found, p99, ms", 1_000, percentile(mine.looking.visible_ms, 99)),
        Bar("spans/s, x Phoenix", 20, rates.get("phoenix"), at_least=True),
        Bar("spans/s, x MLflow", 4, rates.get("mlflow"), at_least=True),
    ]


def peers(folder: Path, options: argparse.Namespace) -> list[Outcome]:
    """Those that are wanted and can be had."""
    outcomes: list[Outcome] = []
    few = folder / "few"
    few.mkdir()
    payload = make(few, (options.peer_spans // PER_REQUEST + PEERS_WARMING) * PER_REQUEST, options.over)
    for name in [name for name in PLANS if name != "switchgear"] if options.peers else []:
        try:
            outcomes.append(peer(name, folder / name, payload, options.cache / "switchgear-bench", options.clients))
            say(table("Peer", HEADER, rows(outcomes[-1:])))
        except (Unavailable, OSError) as failure:
            say(f"Not measured: {name}: {failure}")
    return outcomes


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.spans_ingest", description="Spans through the port.")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=int, default=5_000, help="spans a second of the one client that is timed")
    parser.add_argument("--over", type=int, default=600, help="seconds, up to now, in which the spans begin")
    parser.add_argument("--peers", action="store_true", help="Phoenix and MLflow too, installed into the cache")
    parser.add_argument("--peer-spans", type=int, default=16_384, help="how many the peers are timed with")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache")
    options = parser.parse_args()
    plan = plan_cores()
    os.sched_setaffinity(0, plan.generator)
    for what, value in conditions(plan).items():
        if what != "nginx":
            say(f"{what}: {value}")
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        say(verdicts("Bars", measure(Path(folder), options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
