"""The golden signals of a gateway in a terminal."""

from io import StringIO
from typing import Final

import pytest
from rich.console import Console

from switchgear.cli.output import draw, plain
from switchgear.cli.top import blocks
from switchgear.cli.top_signals import read, signals

PAGE: Final = """
# TYPE switchgear_calls_total counter
switchgear_calls_total{{door="openai",operation="chat",model="small",status="200",outcome="ok"}} {ok}
switchgear_calls_total{{door="openai",operation="chat",model="small",status="429",outcome="refused"}} {limited}
switchgear_calls_total{{door="openai",operation="chat",model="large",status="502",outcome="failed"}} {failed}
# TYPE switchgear_call_duration_seconds histogram
switchgear_call_duration_seconds_bucket{{door="openai",model="small",le="0.1"}} {fast}
switchgear_call_duration_seconds_bucket{{door="openai",model="small",le="0.2"}} {ok}
switchgear_call_duration_seconds_bucket{{door="openai",model="small",le="+Inf"}} {ok}
# TYPE switchgear_tokens_total counter
switchgear_tokens_total{{model="small",bucket="input",estimated="false"}} {ok}
switchgear_tokens_total{{model="small",bucket="cache_read",estimated="false"}} {ok}
switchgear_tokens_total{{model="small",bucket="reasoning",estimated="false"}} {ok}
# TYPE switchgear_cost_nano_usd_total counter
switchgear_cost_nano_usd_total{{model="small",deployment="a/m",estimated="false"}} {cost}
# TYPE switchgear_attempts_total counter
switchgear_attempts_total{{provider="a",deployment="a/m",status="200",outcome="ok"}} {ok}
# TYPE switchgear_breaker_state gauge
switchgear_breaker_state{{deployment="a/m"}} 2
# TYPE switchgear_deployment_waiting gauge
switchgear_deployment_waiting{{deployment="a/m"}} 3
"""
BEFORE: Final = PAGE.format(ok=100, fast=40, limited=5, failed=1, cost=0)
AFTER: Final = PAGE.format(ok=140, fast=60, limited=7, failed=2, cost=10**9)


def test_rates_are_what_came_between_two_readings() -> None:
    told = signals(read(BEFORE, 10.0), read(AFTER, 12.0))

    assert (told.total.calls, told.total.limited, told.total.failed) == (21.5, 1.0, 0.5)
    small, large = told.models
    assert (small.model, small.calls, small.input_tokens, small.output_tokens) == ("small", 21.0, 40.0, 20.0)
    assert (large.model, large.failed, large.duration_p95_seconds) == ("large", 0.5, None)
    assert small.usd_per_minute == 30.0


def test_calls_that_name_no_model_are_not_taken_for_all_calls() -> None:
    listing = 'switchgear_calls_total{door="openai",operation="models",model="",status="200",outcome="ok"} 5\n'
    told = signals(read(BEFORE, 0.0), read(AFTER + "# TYPE switchgear_calls_total counter\n" + listing, 1.0))

    assert told.total.calls == 48
    assert [(each.model, each.calls) for each in told.models] == [("small", 42.0), ("(none)", 5.0), ("large", 1.0)]


def test_quantiles_are_those_of_the_calls_between() -> None:
    small = signals(read(BEFORE, 0.0), read(AFTER, 1.0)).models[0]

    assert small.duration_p50_seconds == pytest.approx(0.1)
    assert small.duration_p95_seconds == pytest.approx(0.19)


def test_a_server_that_began_anew_is_counted_from_nought() -> None:
    told = signals(read(AFTER, 0.0), read(BEFORE, 1.0))

    assert told.total.calls == 106


def test_deployments_say_how_they_stand() -> None:
    (told,) = signals(read(BEFORE, 0.0), read(AFTER, 1.0)).deployments

    assert (told.deployment, told.state, told.waiting, told.attempts) == ("a/m", "open", 3, 40.0)


def test_a_gateway_without_calls_says_so() -> None:
    assert "No call has come yet." in list(plain(blocks(signals(read("", 0.0), read("", 1.0)))))


def test_a_narrow_terminal_shows_it_without_a_fault() -> None:
    out = StringIO()
    draw(blocks(signals(read(BEFORE, 0.0), read(AFTER, 1.0))), Console(file=out, width=40))

    assert "a/m" in out.getvalue()
