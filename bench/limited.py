"""`python -m bench.limited`: what limits cost a call, counted by the gateway itself and in a Redis.

Interleaved rounds of saturation on a gateway without limits, one with six limits on every call, and one that counts
those in a server of the bench's own. The price of a call is known in all of them.
"""

import sys
from dataclasses import replace
from statistics import median

from bench.command import run_command, say
from bench.redis_down import server
from bench.report import Bar, number, table
from bench.scenarios import Saturation, measure_saturation
from bench.stand import Effort, Stand
from bench.subjects import Nginx, Subject, Switchgear

MOST_US = 15.0
PLAIN = "plain"
LIMITED = "six limits"
IN_REDIS = "six limits in Redis"
UPSTREAM = """\
providers:
  mock:
    kind: openai_compatible
    base_url: "http://127.0.0.1:$mock_port/v1"
    api_key: dummy
    prices: {"*": {input: "0.15", output: "0.60"}}
models: {bench: {deployments: [{model: mock/gpt-bench}]}}
"""
LIMITS = """\
limits:
  minute: {scope: {key: "*"}, per: minute, requests: 1000000000, tokens: 1000000000000}
  model: {scope: {model: "*"}, per: minute, requests: 1000000000}
  day: {scope: {key: "*", model: "*"}, per: day, output_tokens: 1000000000000}
  month: {scope: {key: "*"}, per: month, usd: "900000"}
  at_once: {scope: {key: "*"}, concurrent: 1000000}
"""


def subjects(redis_port: int) -> dict[str, Subject]:
    shared = f'counters: {{engine: redis, url: "redis://127.0.0.1:{redis_port}", timeout_ms: 1000}}\n'
    return {
        "nginx": Nginx(),
        PLAIN: Switchgear(PLAIN, UPSTREAM),
        LIMITED: Switchgear("limited", UPSTREAM + LIMITS),
        IN_REDIS: Switchgear("in-redis", UPSTREAM + LIMITS + shared),
    }


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """One round after the other; each starts every subject anew."""
    stand = replace(stand, effort=Effort(seconds=1.0 if quick else 2.0, warmup_seconds=0.5))
    with server(stand.folder) as redis:
        measured = subjects(redis.port)
        found: dict[str, list[Saturation]] = {name: [] for name in measured}
        for _ in range(2 if quick else 6):
            for name, subject in measured.items():
                with stand.running(subject) as running:
                    found[name].append(measure_saturation(stand, running))
    say(_table(found))
    return [Bar("CPU us that six limits add to a call", MOST_US, added_us(found, LIMITED))]


def added_us(found: dict[str, list[Saturation]], name: str) -> float:
    """The least that a call cost with it, less the least without: what the machine took is in neither."""
    return min(each.cpu_us_per_request for each in found[name]) - min(each.cpu_us_per_request for each in found[PLAIN])


def _table(found: dict[str, list[Saturation]]) -> str:
    rows = [
        [
            name,
            number(median(each.rps for each in records)),
            number(median(each.cpu_percent for each in records)),
            number(min(each.cpu_us_per_request for each in records), 1),
            number(added_us(found, name), 1),
            number(sum(each.errors for each in records)),
        ]
        for name, records in found.items()
    ]
    titles = ["subject", "rps", "CPU %", "least CPU us/req", f"more than {PLAIN}", "errors"]
    return table("Saturation, 32 connections", titles, rows)


if __name__ == "__main__":
    sys.exit(run_command("limited", "What limits cost a call.", measure))
