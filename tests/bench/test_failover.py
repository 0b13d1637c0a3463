"""How the bench judges a deployment that died and came back."""

from math import inf

import msgspec
import pytest

from bench.failover import RATE, SLICE_NS, TRIALS, Outcome, Sighting, bars
from bench.programs import LoadResult, Percentiles
from bench.timeline import Answer

SECOND = 1_000_000_000
SHARE = int(RATE * SLICE_NS / SECOND / 2)
"""What one of two deployments has in a slice of time."""


def outcome(counts: list[int], answers: list[Answer] | None = None) -> Outcome:
    """A trial whose upstream had so many requests in each slice after it came back."""
    seen = [Sighting(at * SLICE_NS, sum(counts[: at + 1])) for at in range(len(counts))]
    none = Percentiles(0, 0, 0, 0, 0, 0)
    load = msgspec.convert(
        dict.fromkeys(LoadResult.__struct_fields__, 0)
        | {"mode": "", "errors": {}, "bottleneck": False}
        | dict.fromkeys(("latency_us", "first_chunk_us", "chunk_lag_us"), none),
        LoadResult,
        from_attributes=True,
    )
    return Outcome(TRIALS[0], load, answers or [], 0, 4 * SECOND, 0, seen)


@pytest.mark.parametrize(
    ("counts", "probes"),
    [
        ([0, 0, 1, SHARE, SHARE], 1),
        ([0, SHARE, SHARE], 1),
        ([0, 1, 0, 0, 1, SHARE], 2),
        ([0, 1, 0, 1, 0], inf),
        ([0, 0], inf),
    ],
)
def test_the_probes_are_counted_until_the_deployment_has_its_share(counts: list[int], probes: float) -> None:
    assert outcome(counts).probes == probes


def test_the_worst_second_after_the_blow_is_set_against_the_time_before() -> None:
    calm = [Answer(at * SECOND // 500, 1000.0, "ok") for at in range(500 * 8)]
    slow = [answer._replace(took_us=201_000.0) if 5 <= answer.due_ns / SECOND < 5.1 else answer for answer in calm]
    assert outcome([SHARE], slow).added_ms == 200.0
    assert outcome([SHARE], calm).added_ms == 0.0


def test_a_deployment_that_never_had_its_share_again_clears_no_bar() -> None:
    verdicts = {
        bar.what: bar.verdict for bar in bars(outcome([0, 1, 0], [Answer(0, 1.0, "ok"), Answer(9 * SECOND, 1.0, "ok")]))
    }
    assert verdicts["killed: probes until it had its share again"] == "MISSED"
    assert verdicts["killed: client errors"] == "pass"
