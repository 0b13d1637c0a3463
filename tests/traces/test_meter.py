"""Counts of calls, as Prometheus' own parser reads them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import SupportsIndex

import pytest
from prometheus_client.parser import text_string_to_metric_families

from switchgear.kernel.chat import Usage
from switchgear.traces.families import MAX_SERIES, Counts, Histogram
from switchgear.traces.meter import MAX_VALUES, Meter
from tests.traces.samples import attempt, drained, reader, record, writer

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(meter: Meter) -> Samples:
    """Every sample by its name and labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(meter.render()):
        for sample in family.samples:
            labels: Mapping[str, str] = sample.labels
            key = (sample.name, frozenset(labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(meter: Meter, name: str, **labels: str) -> float:
    return samples(meter)[name, frozenset(labels.items())]


def models(meter: Meter) -> set[str]:
    return {dict(labels)["model"] for name, labels in samples(meter) if name == "switchgear_calls_total"}


def test_calls_are_counted_by_door_operation_model_status_and_outcome() -> None:
    meter = Meter()
    for number in range(3):
        meter.count(record(number))
    meter.count(record(3, status=502, outcome="failed"))
    labels = {"door": "openai", "operation": "chat", "model": "small"}
    assert value(meter, "switchgear_calls_total", **labels, status="200", outcome="ok") == 3
    assert value(meter, "switchgear_calls_total", **labels, status="502", outcome="failed") == 1


def test_costs_are_counted_in_nano_dollars_and_what_is_not_known_is_counted_too() -> None:
    meter = Meter()
    for cost, nano_usd in (("settled", 150_000), ("settled", 1), ("estimated", 7), ("unknown", 0), ("void", 0)):
        meter.count(record(attempts=[attempt(cost=cost, cost_nano_usd=nano_usd)]))
    labels = {"model": "small", "deployment": "openai/gpt-4o-mini"}
    assert value(meter, "switchgear_cost_nano_usd_total", **labels, estimated="false") == 150_001
    assert value(meter, "switchgear_cost_nano_usd_total", **labels, estimated="true") == 7
    assert value(meter, "switchgear_unpriced_attempts_total", **labels) == 1


def test_durations_first_bytes_and_overhead_are_histograms_in_seconds() -> None:
    meter = Meter()
    meter.count(record())
    labels = {"door": "openai", "model": "small"}
    assert value(meter, "switchgear_call_duration_seconds_sum", **labels) == 0.25
    assert value(meter, "switchgear_call_duration_seconds_count", **labels) == 1
    assert value(meter, "switchgear_call_duration_seconds_bucket", **labels, le="0.1") == 0
    assert value(meter, "switchgear_call_duration_seconds_bucket", **labels, le="0.25") == 1
    assert value(meter, "switchgear_call_duration_seconds_bucket", **labels, le="1.0") == 1
    assert value(meter, "switchgear_call_duration_seconds_bucket", **labels, le="+Inf") == 1
    assert value(meter, "switchgear_first_byte_seconds_sum", **labels) == 0.1
    assert value(meter, "switchgear_overhead_seconds_sum", door="openai") == 0.001


def test_the_overhead_leaves_out_what_failed_attempts_took() -> None:
    meter = Meter()
    failed = attempt(status=500, outcome="failed", first_byte_ns=0, duration_ns=40_000_000)
    meter.count(record(first_byte_ns=142_000_000, attempts=[failed, attempt(first_byte_ns=100_000_000)]))
    assert value(meter, "switchgear_overhead_seconds_sum", door="openai") == 0.002


def test_attempts_and_tokens_are_counted() -> None:
    meter = Meter()
    estimated = attempt(usage=Usage(input=7, output=3, estimated=True))
    meter.count(record(attempts=[attempt(status=500, outcome="failed", usage=None), attempt(), estimated]))
    labels = {"provider": "openai", "deployment": "openai/gpt-4o-mini"}
    assert value(meter, "switchgear_attempts_total", **labels, status="500", outcome="failed") == 1
    assert value(meter, "switchgear_attempts_total", **labels, status="200", outcome="ok") == 2
    assert value(meter, "switchgear_tokens_total", model="small", bucket="input", estimated="false") == 1000
    assert value(meter, "switchgear_tokens_total", model="small", bucket="output", estimated="true") == 3
    assert not [key for key in samples(meter) if ("bucket", "reasoning") in key[1]]


def test_seconds_that_were_heard_and_characters_that_were_spoken_are_counted() -> None:
    meter = Meter()
    meter.count(record(attempts=[attempt(usage=None, audio_seconds=8.5), attempt(usage=None, characters=7)]))
    meter.count(record(attempts=[attempt(usage=None, audio_seconds=1.0)]))
    assert value(meter, "switchgear_audio_seconds_total", model="small") == 9.5
    assert value(meter, "switchgear_characters_total", model="small") == 7


def test_names_that_clients_make_up_do_not_become_labels() -> None:
    meter = Meter()
    for number in range(500):
        meter.count(record(number, model=f"made-up-{number}", status=404, outcome="refused", attempts=[]))
        unknown = attempt(deployment=f"openai/made-up-{number}", status=404, outcome="failed", usage=None)
        meter.count(record(number, model=f"openai/made-up-{number}", status=404, attempts=[unknown]))
    assert models(meter) == {"unknown"}
    assert "made-up" not in meter.render()


def test_a_model_that_only_fails_is_told_by_its_name() -> None:
    meter = Meter()
    meter.count(record(model="broken", attempts=[attempt(status=0, outcome="failed")]))
    meter.count(record(model="locked", attempts=[attempt(status=401, outcome="failed")]))
    meter.count(record(model="broken", status=400, outcome="refused", attempts=[]))
    assert models(meter) == {"broken", "locked"}


def test_beyond_a_number_of_models_the_rest_is_other() -> None:
    meter = Meter()
    for number in range(MAX_VALUES + 50):
        meter.count(record(number, model=f"m{number}", attempts=[attempt(deployment=f"openai/m{number}")]))
    assert models(meter) == {f"m{number}" for number in range(MAX_VALUES)} | {"other"}
    deployments = {dict(labels)["deployment"] for name, labels in samples(meter) if name == "switchgear_attempts_total"}
    assert len(deployments) == MAX_VALUES + 1


def test_a_counter_never_has_more_than_a_number_of_series() -> None:
    counts = Counts("made_total", "Things.", ("thing",))
    for number in range(MAX_SERIES + 10):
        counts.add((str(number),))
    assert counts.render().count("\n") == MAX_SERIES + 3
    assert 'made_total{thing="other"} 10\n' in counts.render()


class Busy(str):
    """A label's value that has another call counted just while it is written."""

    __slots__ = ("count_another",)
    count_another: Callable[[], None]

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> str:
        self.count_another()
        return super().replace(old, new, count)


@pytest.mark.parametrize("metric", [Counts("m", "", ("of",)), Histogram("m", "", ("of",), (1,))], ids=type)
def test_calls_that_come_while_metrics_are_written_are_in_the_next_ones(metric: Counts | Histogram) -> None:
    count = metric.add if isinstance(metric, Counts) else metric.observe
    busy = Busy("old")
    busy.count_another = lambda: count(("new",), 1)
    count((busy,), 1)
    assert 'of="new"' not in metric.render()
    assert 'of="new"' in metric.render()


def test_label_values_are_escaped() -> None:
    meter = Meter()
    name = 'a"b\\c\nd'
    meter.count(record(model=name))
    assert models(meter) == {name}


def test_the_counts_of_journals_are_shown_and_added_up(tmp_path: Path) -> None:
    journal = writer(tmp_path / "journal")
    source = reader(tmp_path / "journal")
    meter = Meter()
    meter.watch(journal.counts)
    meter.watch(source.counts)
    meter.watch(source.counts)
    journal.append(record(1))
    drained(source)
    journal.close()
    assert value(meter, "switchgear_journal_appended_records_total") == 1
    assert value(meter, "switchgear_journal_lost_records_total") == 0
    assert value(meter, "switchgear_journal_read_records_total") == 2
    assert value(meter, "switchgear_journal_corrupt_segments_total") == 0
