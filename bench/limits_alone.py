"""`python -m bench.limits_alone`: what keys, limits and the price cost one call, in this process, counted in memory.

A call of one key falls under six limits of as many scopes. The pipeline is run with and without its stages around a
handler that answers at once, so that nothing but their own work is between the two; the ledger's share on a gateway is
what an attempt costs to be priced. Settling is in the figures: it is done when the call ends.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import structs

from bench.command import say
from bench.machine import conditions, plan_cores
from bench.report import Bar, number, table, verdicts
from switchgear.app.gateway import Machinery, outside
from switchgear.app.models import build_snapshot
from switchgear.auth.stage import Authenticate
from switchgear.config.loading import parse
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.call import Call, Head, Snapshot
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.pipeline import Next, Stage, compose
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Reply
from switchgear.limits.stage import Limit
from switchgear.routing.model import RouteTable
from switchgear.upstream.client import HttpTransport
from switchgear.wire.registry import discover as dialects

BAR_US: Final = 15.0
TIMES: Final = 5_000
REPEATS: Final = 9
KEY: Final = "sk-bench-0123456789abcdef0123456789abcdef"
CONFIG: Final = f"""
organisations: {{acme: {{}}}}
projects: {{bots: {{organisation: acme}}}}
teams: {{support: {{project: bots}}}}
users: {{ann: {{teams: [support]}}}}
keys: [{{name: bench, key: {KEY}, team: support, user: ann}}]
providers: {{sim: {{kind: simulator, prices: {{"*": {{input: 3, output: 15}}}}}}}}
models: {{echo: {{deployments: [{{model: sim/echo}}]}}}}
"""
LIMITS: Final = """
limits:
  rate: {scope: {key: "*"}, per: minute, requests: 1000000000}
  user: {scope: {user: "*"}, per: minute, tokens: 1000000000000}
  team: {scope: {team: "*"}, per: day, usd: "1000000"}
  project: {scope: {project: "*"}, per: month, usd: "9000000"}
  organisation: {scope: {organisation: "*"}, per: month, usd: "9000000"}
  model: {scope: {model: "*"}, concurrent: 100000}
"""
USAGE: Final = Usage(input=120, output=80)


class Track:
    """One pipeline, and the call that goes down it again and again."""

    def __init__(self, snapshot: Snapshot, stages: Sequence[Stage]) -> None:
        spoken = dialects()["openai_chat"]
        body = b'{"model":"echo","max_tokens":256,"messages":[{"role":"user","content":"' + b"word " * 100 + b'"}]}'
        self._call = Call(
            id="", door="openai", operation="chat", dialect=spoken, body=body,
            head=Head(model="echo", max_tokens=256), headers={b"authorization": b"Bearer " + KEY.encode()},
            snapshot=snapshot, started_wall_ns=SystemClock().wall_ns(), started_monotonic_ns=0, loopback=True,
        )  # fmt: skip
        self._run: Next = compose(stages, answered)
        self._number = 0
        self._heads = [Head(model="echo", max_tokens=256 + more) for more in range(16)]

    def __call__(self) -> None:
        """One call from beginning to end; no stage of these waits."""
        self._number += 1
        # No two calls in a row may need the same: what is kept of one claim must not help the next.
        head = self._heads[self._number % len(self._heads)]
        call = structs.replace(self._call, id=str(self._number), attempts=[], head=head)
        try:
            next(self._run(call).__await__())
        except StopIteration:
            return
        raise RuntimeError("a stage waits where nothing has to be waited for")


async def answered(call: Call) -> Reply:
    """What an upstream would have answered, at once."""
    entry = Attempt(deployment="sim/echo", provider="sim", model="echo", started_ns=0, usage=USAGE)
    entry.cost, entry.cost_nano_usd = "settled", 1_560_000
    call.attempts.append(entry)
    return Reply(200, [], b"{}")


def microseconds(act: Callable[[], object], times: int) -> float:
    """CPU of one call: the best of some repeats, as everything else only adds."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.thread_time_ns()
        for _ in range(times):
            act()
        best = min(best, (time.thread_time_ns() - began) / times / 1e3)
    return best


async def measure(times: int) -> Sequence[Bar]:
    """Each stage on its own, and all together."""
    clock, bits = SystemClock(), seeded_bits()
    http = HttpTransport()
    out = outside(dialects(), Machinery(clock=clock, ids=Ids(clock, bits), random_bits=bits), http)
    snapshot = build_snapshot(parse(CONFIG + LIMITS, "bench", {}), "bench", out)
    limit = Limit(MemoryCounters(clock), clock)
    bare = microseconds(Track(snapshot, []), times)
    auth = microseconds(Track(snapshot, [Authenticate()]), times) - bare
    both = microseconds(Track(snapshot, [Authenticate(), limit]), times) - bare
    price = snapshot.part(RouteTable).find("echo").deployments[0].price
    if price is None:
        raise RuntimeError("the bench's model has no price")
    ledger = microseconds(lambda: price.cost(USAGE, ""), times)
    await http.aclose()
    rows = [["keys", number(auth, 1)], ["six limits", number(both - auth, 1)], ["the price", number(ledger, 1)]]
    say(table("A call's share, us of CPU", ["what", "a call"], rows))
    return [Bar("us for keys, six limits and the price", BAR_US, both + ledger)]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits_alone", description="What six limits cost a call.")
    parser.add_argument("--quick", action="store_true", help="as short as shows that it works; not to quote")
    options = parser.parse_args()
    for what, value in conditions(plan_cores()).items():
        say(f"{what}: {value}")
    say(verdicts("Bars", asyncio.run(measure(TIMES // 10 if options.quick else TIMES))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
