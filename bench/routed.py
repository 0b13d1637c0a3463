"""`python -m bench.routed`: what the Route stage costs when all of it is on.

Interleaved rounds of saturation on the plain gateway (one deployment, no policy beyond the defaults) and on gateways
with two deployments and every policy declared: retries, fallbacks, a breaker with a rule for slow calls, a split by
an expression, affinity, rate limits, lines; without hedging and with it. nginx is measured beside them.
"""

import sys
from dataclasses import replace
from statistics import median

from bench.command import run_command, say
from bench.report import Bar, number, table
from bench.scenarios import Saturation, measure_saturation
from bench.stand import Effort, Stand
from bench.subjects import Nginx, Subject, Switchgear

LEAST_RATIO = 0.85
PLAIN = "plain"
ROUTED = """\
providers:
  mock: {kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}
  twin: {kind: openai_compatible, base_url: "http://127.0.0.1:$mock_port/v1", api_key: dummy}
routing:
  balance: fastest
  affinity: session
  retries: {attempts: 4, base_seconds: 0.1}
  breaker: {slow_seconds: 5}
HEDGING
models:
  bench:
    deployments:
      - {model: mock/gpt-bench, weight: 2, max_in_flight: 500, requests_per_minute: 100000000}
      - {model: twin/gpt-bench, max_in_flight: 500, requests_per_minute: 100000000}
      - {model: twin/gpt-spare, tier: 1}
    fallbacks: {any: [spare], context_length: [spare]}
    splits:
      - {to: {spare: 100}, when: 'header("x-beta") == "1" or "beta" in tags'}
      - {to: {bench: 95, canary: 5}, sticky: user}
  canary: {deployments: [{model: twin/gpt-bench}]}
  spare: {deployments: [{model: mock/gpt-spare}]}
"""
HEDGING = "  hedging: {after_seconds: 1}"

SUBJECTS: dict[str, Subject] = {
    "nginx": Nginx(),
    PLAIN: Switchgear(PLAIN),
    "routed": Switchgear("routed", ROUTED.replace("HEDGING\n", "")),
    "routed, hedging": Switchgear("hedging", ROUTED.replace("HEDGING", HEDGING)),
}


def measure(stand: Stand, quick: bool) -> list[Bar]:
    """One round after the other; each starts every subject anew."""
    stand = replace(stand, effort=Effort(seconds=1.0 if quick else 2.0, warmup_seconds=0.5))
    found: dict[str, list[Saturation]] = {name: [] for name in SUBJECTS}
    for _ in range(2 if quick else 6):
        for name, subject in SUBJECTS.items():
            with stand.running(subject) as running:
                found[name].append(measure_saturation(stand, running))
    say(_table(found))
    return [
        Bar(f"throughput, {name} / {PLAIN}", LEAST_RATIO, ratio(found, name), at_least=True)
        for name in ("routed", "routed, hedging")
    ]


def ratio(found: dict[str, list[Saturation]], name: str) -> float:
    """The median of the rounds' own ratios."""
    return median(mine.rps / plain.rps for mine, plain in zip(found[name], found[PLAIN], strict=True))


def _table(found: dict[str, list[Saturation]]) -> str:
    rows = [
        [
            name,
            number(median(each.rps for each in records)),
            number(ratio(found, name), 3),
            number(median(each.cpu_percent for each in records)),
            number(min(each.cpu_us_per_request for each in records), 1),
            number(sum(each.errors for each in records)),
        ]
        for name, records in found.items()
    ]
    return table(
        "Saturation, 32 connections", ["subject", "rps", f"x {PLAIN}", "CPU %", "least CPU us/req", "errors"], rows
    )


if __name__ == "__main__":
    sys.exit(run_command("routed", "What the whole Route stage costs.", measure))
