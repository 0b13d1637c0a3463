"""OpenTelemetry's GenAI metrics, told of attempts, as Prometheus' own parser reads them."""

import re

import pytest

from switchgear.kernel.chat import Usage
from switchgear.traces.meter import Meter, Settings
from tests.traces.samples import attempt, record
from tests.traces.test_meter import samples, value

WHO = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "openai",
    "gen_ai_request_model": "gpt-4o-mini",
}
SECONDS = "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92"
TOKENS = "1 4 16 64 256 1024 4096 16384 65536 262144 1048576 4194304 16777216 67108864"


def older() -> Meter:
    return Meter(Settings(older_gen_ai=lambda: True))


def bounds(meter: Meter, metric: str) -> list[float]:
    return [float(bound) for bound in re.findall(rf'^{metric}_bucket.*le="([^"+]+)"', meter.render(), re.MULTILINE)]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("gen_ai_client_inference_duration_seconds", SECONDS),
        ("gen_ai_client_inference_time_to_first_chunk_seconds", SECONDS),
        ("gen_ai_client_inference_time_per_output_chunk_seconds", SECONDS),
        ("gen_ai_client_inference_operation_input_tokens", TOKENS),
        ("gen_ai_client_inference_operation_output_tokens", TOKENS),
        ("gen_ai_client_operation_duration_seconds", SECONDS),
    ],
)
def test_the_bounds_are_the_conventions(metric: str, expected: str) -> None:
    meter = older()
    meter.count(record(0, stream=True, attempts=[attempt(first_token_ns=1)]))
    assert bounds(meter, metric) == [float(bound) for bound in expected.split()]


def test_input_includes_what_was_cached_and_output_includes_reasoning() -> None:
    meter = Meter()
    usage = Usage(input=10, cache_read=20, cache_write_5m=3, cache_write_1h=4, output=5, reasoning=7)
    meter.count(record(0, attempts=[attempt(usage=usage)]))
    name = "gen_ai_client_inference_usage_{}_tokens_total".format
    unknown, text = {**WHO, "gen_ai_token_modality": "unknown"}, {**WHO, "gen_ai_token_modality": "text"}
    assert value(meter, name("input"), **unknown) == 37
    assert value(meter, name("cache_read_input"), **unknown) == 20
    assert value(meter, name("cache_write_input"), **unknown) == 7
    assert value(meter, name("output"), **text) == 12
    assert value(meter, name("reasoning_output"), **text) == 7
    assert value(meter, "gen_ai_client_inference_operation_input_tokens_sum", **WHO) == 37
    assert value(meter, "gen_ai_client_inference_operation_output_tokens_sum", **WHO) == 12


def test_modalities_are_told_apart_where_the_provider_tells_them_apart() -> None:
    meter = Meter()
    usage = Usage(input=10, audio_input=4, image_input=6, output=5, audio_output=8)
    meter.count(record(0, attempts=[attempt(usage=usage)]))
    found = {
        (name.split("_")[5], dict(labels)["gen_ai_token_modality"]): number
        for (name, labels), number in samples(meter).items()
        if name.startswith("gen_ai_client_inference_usage")
    }
    assert found == {
        ("input", "text"): 10,
        ("input", "audio"): 4,
        ("input", "image"): 6,
        ("output", "text"): 5,
        ("output", "audio"): 8,
    }


def test_an_attempt_that_failed_is_an_inference_of_no_tokens_with_its_cause() -> None:
    meter = Meter()
    meter.count(record(0, attempts=[attempt(status=429, outcome="failed", cause="rate_limited", usage=None)]))
    assert value(meter, "gen_ai_client_inference_duration_seconds_count", **WHO, error_type="rate_limited") == 1
    assert value(meter, "gen_ai_client_inference_usage_input_tokens_total", **WHO, gen_ai_token_modality="unknown") == 0
    assert ("gen_ai_client_inference_operation_input_tokens_count", frozenset(WHO.items())) not in samples(meter)


def test_chunks_of_streams_are_timed_once_for_each_token_behind_the_first() -> None:
    meter = Meter()
    tried = attempt(
        first_byte_ns=30_000_000, first_token_ns=40_000_000, duration_ns=240_000_000, usage=Usage(output=21)
    )
    meter.count(record(0, stream=True, attempts=[tried]))
    assert value(meter, "gen_ai_client_inference_time_to_first_chunk_seconds_sum", **WHO) == 0.03
    assert value(meter, "gen_ai_client_inference_time_per_output_chunk_seconds_count", **WHO) == 20
    assert value(meter, "gen_ai_client_inference_time_per_output_chunk_seconds_sum", **WHO) == pytest.approx(0.2)


def test_embeddings_are_an_operation_and_no_inference() -> None:
    meter = Meter()
    meter.count(record(0, operation="embeddings"))
    labels = {**WHO, "gen_ai_operation_name": "embeddings", "error_type": ""}
    assert value(meter, "gen_ai_client_operation_duration_seconds_count", **labels) == 1
    assert not [name for name, _ in samples(meter) if name.startswith("gen_ai_client_inference")]


def test_the_older_conventions_metrics_are_told_when_they_are_wanted() -> None:
    plain, both = Meter(), older()
    for meter in (plain, both):
        meter.count(record(0))
    assert value(both, "gen_ai_client_token_usage_sum", **WHO, gen_ai_token_type="input") == 1000
    assert value(both, "gen_ai_client_token_usage_sum", **WHO, gen_ai_token_type="output") == 50
    assert value(both, "gen_ai_client_operation_duration_seconds_count", **WHO, error_type="") == 1
    assert not [name for name, _ in samples(plain) if name.startswith(("gen_ai_client_token", "gen_ai_client_op"))]


def test_providers_go_by_the_conventions_names_of_their_kinds() -> None:
    kinds = {"openai": "azure_openai"}
    meter = Meter(Settings(kind_of=lambda name: kinds.get(name, name)))
    meter.count(record(0))
    labels = {**WHO, "gen_ai_provider_name": "azure.ai.openai", "error_type": ""}
    assert value(meter, "gen_ai_client_inference_duration_seconds_count", **labels) == 1
