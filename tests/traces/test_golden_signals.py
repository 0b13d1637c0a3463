"""What calls tell beyond their number: first tokens, second tries, errors, keys, processes."""

import pytest

from switchgear.kernel.chat import Usage
from switchgear.kernel.record import Attempt
from switchgear.traces.error_class import CLASSES, error_class
from switchgear.traces.families import MAX_SERIES, Names, cut_counts
from switchgear.traces.meter import Meter, Settings
from tests.traces.samples import attempt, record
from tests.traces.test_meter import samples, value

MS = 1_000_000
BEGAN = 1_700_000_000_000_000_000
SMALL = {"door": "openai", "model": "small"}


def streamed(**changes: object) -> Attempt:
    plain = {
        "started_ns": BEGAN,
        "first_token_ns": 50 * MS,
        "duration_ns": 240 * MS,
        "usage": Usage(input=9, output=20),
    }
    return attempt(**{**plain, **changes})


def test_the_first_token_is_timed_from_the_arrival_of_the_call_over_all_that_was_tried() -> None:
    meter = Meter()
    failed = attempt(outcome="failed", status=500, duration_ns=30 * MS, usage=None, cause="server_error")
    rescued = streamed(started_ns=BEGAN + 40 * MS, why="fallback")
    meter.count(record(0, stream=True, attempts=[failed, rescued]))
    assert value(meter, "switchgear_first_token_seconds_sum", **SMALL) == 0.09
    assert value(meter, "switchgear_output_token_seconds_sum", **SMALL) == 0.01
    assert value(meter, "switchgear_rescued_calls_total", model="small", why="fallback") == 1
    made = {"why": "fallback", "provider": "openai"}
    assert value(meter, "switchgear_second_attempts_total", **made, outcome="ok") == 1


def test_an_answer_that_is_not_streamed_has_no_first_token() -> None:
    meter = Meter()
    meter.count(record(0, attempts=[streamed()]))
    assert not [name for name, _ in samples(meter) if name.startswith("switchgear_first_token")]


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [
        ([(0, 200)], 0.05),
        ([(0, 100), (150, 50)], 0.1),
        ([(0, 200), (100, 140)], 0.01),
        ([(0, 300)], 0.0),
    ],
)
def test_the_whole_overhead_is_what_no_attempt_was_under_way(attempts: list[tuple[int, int]], seconds: float) -> None:
    meter = Meter()
    made = [attempt(started_ns=BEGAN + start * MS, duration_ns=length * MS) for start, length in attempts]
    meter.count(record(0, attempts=made))
    assert value(meter, "switchgear_call_overhead_seconds_sum", door="openai") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ("rate_limit_exceeded: slow down", 429, "rate_limited"),
        ("insufficient_quota: spent", 429, "quota"),
        ("upstream_error: no", 500, "upstream_error"),
        ("upstream_error: no", 418, "invalid_request"),
        ("overloaded: full", 503, "overloaded"),
        ("upstream_timeout: late", 504, "timeout"),
        ("internal_error: KeyError", 500, "internal"),
        ("upstream_truncated: cut", 200, "truncated"),
        ("some_words_of_a_vendor: cut", 200, "upstream_error"),
    ],
)
def test_errors_are_counted_by_class_and_status(error: str, status: int, kind: str) -> None:
    meter = Meter()
    meter.count(record(0, status=status, outcome="failed", error=error))
    assert kind in CLASSES
    assert error_class(error, status) == kind
    assert value(meter, "switchgear_errors_total", **SMALL, **{"class": kind, "status": str(status)}) == 1


def test_attempts_that_failed_are_counted_by_their_cause() -> None:
    meter = Meter()
    meter.count(record(0, attempts=[attempt(status=429, outcome="failed", cause="rate_limited"), attempt()]))
    labels = {"provider": "openai", "deployment": "openai/gpt-4o-mini", "class": "rate_limited"}
    assert value(meter, "switchgear_attempt_errors_total", **labels) == 1


def test_answers_tell_whether_the_providers_cache_had_the_prompt() -> None:
    meter = Meter()
    for usage in (Usage(input=1, cache_read=9), Usage(input=10), Usage(input=10, estimated=True)):
        meter.count(record(0, attempts=[attempt(usage=usage)]))
    labels = {"cache": "provider", "model": "small"}
    assert value(meter, "switchgear_cache_lookups_total", **labels, result="hit") == 1
    assert value(meter, "switchgear_cache_lookups_total", **labels, result="miss") == 1


def test_each_key_has_its_calls_tokens_and_cost() -> None:
    meter = Meter()
    meter.count(record(0, project="shop", attempts=[attempt(cost="settled", cost_nano_usd=7)]))
    who = {"project": "shop", "key": "team-a"}
    assert value(meter, "switchgear_key_calls_total", **who, outcome="ok") == 1
    assert value(meter, "switchgear_key_tokens_total", **who, bucket="output") == 50
    assert value(meter, "switchgear_key_cost_nano_usd_total", **who) == 7


def test_a_gateway_process_that_takes_anothers_place_goes_on_with_its_counts() -> None:
    meter = Meter()
    for gateway in ("g0-aaaaaaaa", "g0-bbbbbbbb", "g1-cccccccc"):
        meter.count(record(0, gateway=gateway))
    assert value(meter, "switchgear_process_calls_total", process="g0", outcome="ok") == 2
    assert value(meter, "switchgear_process_overhead_seconds_count", process="g1") == 1


def test_copies_of_calls_are_no_calls_but_their_attempts_cost() -> None:
    meter = Meter()
    copy = record(0, shadow_of="0" * 32, outcome="failed", attempts=[attempt(cost="settled", cost_nano_usd=5)])
    meter.count(copy)
    assert value(meter, "switchgear_shadow_calls_total", model="small", outcome="failed") == 1
    assert not [name for name, _ in samples(meter) if name in {"switchgear_calls_total", "switchgear_errors_total"}]
    labels = {"model": "small", "deployment": "openai/gpt-4o-mini", "estimated": "false"}
    assert value(meter, "switchgear_cost_nano_usd_total", **labels) == 5


def test_what_is_counted_as_other_is_counted() -> None:
    meter = Meter(Settings(max_values=3))
    for number in range(10):
        meter.count(record(number, key=f"key-{number}"))
    assert value(meter, "switchgear_key_calls_total", project="", key="other", outcome="ok") == 7
    assert value(meter, "switchgear_cut_samples_total", full="key") == 7


def test_samples_of_a_full_metric_are_counted() -> None:
    meter = Meter(Settings(max_values=MAX_SERIES * 2))
    for number in range(MAX_SERIES + 5):
        meter.count(record(number, key=f"key-{number}", attempts=[]))
    assert value(meter, "switchgear_cut_samples_total", full="switchgear_key_calls_total") == 5


def test_a_name_that_is_known_keeps_its_place() -> None:
    cut = cut_counts()
    names = Names("key", 2, cut)
    assert [names.of(each) for each in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]
    assert dict(cut.items()) == {("key",): 1}
