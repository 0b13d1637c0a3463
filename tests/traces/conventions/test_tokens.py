"""No token is counted in two buckets, and none is lost, whoever counts them in whichever way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Span, ToldSpan
from switchgear.traces.conventions import Convention, discover
from switchgear.traces.conventions.convention import Named
from switchgear.traces.conventions.tokens import disjoint
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser

NORMALISE = Normaliser()
COUNTS = st.integers(0, 10**9)
INPUTS = ("cache_read", "cache_write", "audio_input", "image_input")
OUTPUTS = ("reasoning", "audio_output")


def named(convention: Convention, field: str) -> list[str]:
    """The attributes that tell a field."""
    told = convention.names.items()
    return [name for name, rule in told if (rule.field if isinstance(rule, Named) else rule) == field]


def normalised(attributes: dict[str, Any], **more: Any) -> Span:
    told = ToldSpan(trace_id="1", span_id="2", name="x", started_ns=1, ended_ns=2, attributes=attributes, **more)
    return NORMALISE(told, Origin(project="p", door="otlp"))


def usage_of(attributes: dict[str, Any]) -> Usage:
    usage = normalised(attributes).usage
    assert usage is not None
    return usage


TELLING = [convention for convention in discover() if named(convention, "tokens.input")]


@pytest.mark.parametrize("convention", TELLING, ids=lambda convention: convention.name)
@given(data=st.data())
def test_the_buckets_sum_up_to_the_totals_told(convention: Convention, data: st.DataObject) -> None:
    told = {"tokens.input": data.draw(COUNTS), "tokens.output": data.draw(COUNTS)}
    parts = {part: data.draw(COUNTS) for part in (*INPUTS, *OUTPUTS) if named(convention, f"tokens.{part}")}
    attributes = {named(convention, field)[0]: number for field, number in told.items()}
    attributes |= {
        data.draw(st.sampled_from(named(convention, f"tokens.{part}"))): number for part, number in parts.items()
    }

    usage = usage_of(attributes)

    beside_in = 0 if convention.accounting.input_holds_parts else sum(parts.get(part, 0) for part in INPUTS)
    beside_out = 0 if convention.accounting.output_holds_parts else sum(parts.get(part, 0) for part in OUTPUTS)
    if convention.name == "switchgear":
        beside_in = usage.total_input - told["tokens.input"]
    assert usage.total_input == told["tokens.input"] + beside_in
    assert usage.total_output == told["tokens.output"] + beside_out
    assert min(usage.input, usage.output, usage.cache_read, usage.reasoning, usage.cache_write_5m) >= 0


@given(counts=st.dictionaries(st.sampled_from(["input", "output", *INPUTS, *OUTPUTS]), COUNTS), inside=st.booleans())
def test_a_grand_total_decides_where_the_parts_stand(counts: dict[str, int], inside: bool) -> None:
    inputs, outputs = (sum(counts.get(part, 0) for part in parts) for parts in (INPUTS, OUTPUTS))
    told = {"input": 0, "output": 0, **counts}
    if inside:
        told |= {"input": told["input"] + inputs, "output": told["output"] + outputs}
    beside = 0 if inside else inputs + outputs
    told["total"] = told["input"] + told["output"] + beside

    for convention in discover():
        usage, _ = disjoint(told, convention.accounting)
        if told["total"] and (inputs or outputs) and (not inside or told["input"] + told["output"]):
            assert usage.total_input + usage.total_output == told["total"]


@pytest.mark.parametrize(
    "spelling",
    [
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
    ],
)
def test_three_spellings_of_cache_writes_are_one_number(spelling: str) -> None:
    usage = usage_of({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 5, spelling: 30})

    assert (usage.input, usage.cache_write_5m) == (70, 30)


def test_a_sender_with_more_cached_tokens_than_tokens_keeps_its_total_and_a_note() -> None:
    span = normalised({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 90})

    assert span.usage == Usage(input=0, cache_read=10)
    assert "cache_read 90" in span.metadata["usage.note"]


def test_reasoning_beside_the_output_is_known_by_the_total() -> None:
    usage = usage_of(
        {
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.reasoning_tokens": 7,
            "gen_ai.usage.total_tokens": 22,
        }
    )

    assert (usage.output, usage.reasoning) == (5, 7)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"input": 20, "input_cached_tokens": 5, "output": 7}, Usage(input=20, cache_read=5, output=7)),
        (
            {"prompt_tokens": 20, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}},
            Usage(input=15, cache_read=5, output=9),
        ),
        (
            {"input_tokens": 20, "output_tokens": 9, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 4},
            Usage(input=20, cache_read=5, cache_write_5m=4, output=9),
        ),
    ],
)
def test_langfuse_usage_in_each_vendors_words(told: dict[str, Any], expected: Usage) -> None:
    assert usage_of({"langfuse.observation.usage_details": json.dumps(told)}) == expected


def test_langsmith_usage_holds_its_details() -> None:
    usage = {
        "input_tokens": 100,
        "output_tokens": 50,
        "total_tokens": 150,
        "input_token_details": {"cache_read": 30, "cache_creation": 10, "audio": 5},
        "output_token_details": {"reasoning": 20, "audio": 3},
    }
    span = normalised(
        {
            "langsmith.span.kind": "llm",
            "langsmith.run.outputs": {"usage_metadata": usage, "messages": [{"type": "ai", "content": "yes"}]},
            "langsmith.run.extra": {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o"}},
        }
    )

    assert span.usage == Usage(
        input=55, cache_read=30, cache_write_5m=10, audio_input=5, output=27, reasoning=20, audio_output=3
    )
    assert (span.provider, span.request_model, span.output.preview) == ("openai", "gpt-4o", "yes")


def test_only_the_inner_span_of_a_vercel_call_counts() -> None:
    told = {"ai.usage.inputTokens": 10, "ai.usage.outputTokens": 5}

    outer = normalised({"ai.operationId": "ai.generateText", **told})
    inner = normalised({"ai.operationId": "ai.generateText.doGenerate", **told})

    assert (outer.kind, outer.counted) == ("chain", False)
    assert (inner.kind, inner.counted) == ("llm", True)


def test_one_convention_tells_the_whole_usage_of_a_span_that_speaks_two() -> None:
    usage = usage_of(
        {
            "openinference.span.kind": "LLM",
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 5,
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.cache_read.input_tokens": 4,
        }
    )

    assert usage == Usage(input=10, output=5)
