"""Calls that went as most calls go are counted on a shorter way, to the same numbers."""

from collections import defaultdict
from itertools import chain

import pytest
from prometheus_client.parser import text_string_to_metric_families

from switchgear.kernel.chat import Usage
from switchgear.kernel.record import CallRecord
from switchgear.traces.meter import Meter, Settings
from tests.traces.samples import attempt, record

Sums = dict[tuple[str, frozenset[tuple[str, str]]], float]


def sums(*meters: Meter) -> Sums:
    """Every sample, summed over the meters."""
    found: Sums = defaultdict(float)
    for family in chain.from_iterable(text_string_to_metric_families(meter.render()) for meter in meters):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] += sample.value
    return found


def call(number: int, *, stream: bool = False, cached: int = 0) -> CallRecord:
    """One that answered at its first try, and has a price."""
    told = attempt(
        usage=Usage(input=100 + number, output=20, cache_read=cached, reasoning=cached),
        first_byte_ns=62_500_000,
        first_token_ns=125_000_000 if stream else 0,
        duration_ns=500_000_000,
        cost="settled",
        cost_nano_usd=7 + number,
    )
    return record(number, stream=stream, duration_ns=750_000_000, first_byte_ns=250_000_000, attempts=[told])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cached", [0, 30])
def test_many_calls_of_one_kind_add_up_to_what_each_of_them_alone_tells(stream: bool, cached: int) -> None:
    calls = [call(number, stream=stream, cached=cached) for number in range(5)]
    together = Meter()
    alone = [Meter() for _ in calls]
    for told, single in zip(calls, alone, strict=True):
        together.count(told)
        single.count(told)
    assert sums(together) == pytest.approx(sums(*alone))


def test_the_last_call_of_a_kind_is_the_exemplar() -> None:
    meter = Meter()
    for number in range(3):
        meter.count(call(number, stream=True))
    told = [line for line in meter.render("openmetrics").splitlines() if " # {" in line]
    assert len(told) == 2
    assert all(f'trace_id="{call(2).id}"' in line for line in told)


def test_calls_of_a_name_too_many_are_folded_however_often_they_come() -> None:
    meter = Meter(Settings(max_values=1))
    for number in range(4):
        meter.count(call(number))
    for number in range(4):
        other = call(number)
        other.model = "large"
        meter.count(other)
    found = sums(meter)
    for model in ("small", "other"):
        who = {"door": "openai", "operation": "chat", "model": model, "status": "200", "outcome": "ok"}
        assert found["switchgear_calls_total", frozenset(who.items())] == 4
    assert found["switchgear_cut_samples_total", frozenset([("full", "model")])] == 4


def test_a_provider_is_counted_under_the_kind_that_it_has_by_then() -> None:
    kinds = ["openai"]
    meter = Meter(Settings(kind_of=lambda _: kinds[0]))
    for number in range(3):
        meter.count(call(number))
    kinds[0] = "azure_openai"
    meter.count(call(3))
    found = {
        dict(labels)["gen_ai_provider_name"]: count
        for (name, labels), count in sums(meter).items()
        if name == "gen_ai_client_inference_duration_seconds_count"
    }
    assert found == {"openai": 3, "azure.ai.openai": 1}
