"""LangSmith's filters: what they let through, and what is refused by name."""

import pytest

from switchgear.kernel.errors import BadRequest
from switchgear.traces.doors.langsmith_filter import read_filter
from switchgear.traces.drafts import Draft

RUN = Draft(
    id="r-1",
    trace="t-1",
    fields={
        "name": "it's",
        "run_type": "llm",
        "start_time": "2026-11-26T10:00:00Z",
        "end_time": "2026-11-26T10:00:03Z",
        "tags": ["beta"],
        "inputs": {"q": "A blue WHALE"},
        "outputs": {"a": 1, "usage_metadata": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}},
        "extra": {"metadata": {"tenant": "blue", "try": 2, "flags": ["x"]}},
    },
)


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ('eq(run_type, "llm")', True),
        ('neq(run_type, "llm")', False),
        ("eq(name, 'it\\'s')", True),
        ("eq(error, null)", True),
        ("neq(error, null)", False),
        ("eq(is_root, true)", True),
        ("gt(latency, 2.5)", True),
        ("lte(latency, 2)", False),
        ('gte(start_time, "2026-11-26T10:00:00+00:00")', True),
        ('lt(start_time, "2026-11-26T10:00:00Z")', False),
        ('gt(error, "a")', False),
        ('has(tags, "beta")', True),
        ('not(has(tags, "beta"))', False),
        ('has(metadata, \'{"tenant": "blue", "try": 2}\')', True),
        ('has(metadata, "{\\"tenant\\": \\"red\\"}")', False),
        ('has(metadata, \'{"flags": ["x"]}\')', True),
        ('exists(metadata, "tenant")', True),
        ('not(exists(metadata, "owner"))', True),
        ("gt(total_tokens, 14)", True),
        ("and(lt(prompt_tokens, 12), eq(completion_tokens, 3))", False),
        ('gt(latency, "2500ms")', True),
        ('gt(latency, "0.1h")', False),
        ('search("whale blue")', True),
        ('search("shark")', False),
        ('and(eq(status, "success"), or(eq(name, "x"), eq(trace_id, "t-1")))', True),
        ('and(eq(status, "success"), eq(name, "x"))', False),
    ],
)
def test_a_filter_lets_through_what_it_says(said: str, *, passes: bool) -> None:
    assert read_filter(said)(RUN) is passes


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "cut off"),
        ("eq(name", "not closed"),
        ("eq(name, ", "cut off"),
        ('eq(name, "x") eq', "nothing behind it"),
        ("name", "one call"),
        ("eq(,)", "stands where a value must"),
        ("eq(name, {})", "cannot be read"),
        ('eq(total_cost, "x")', "no field 'total_cost'"),
        ('has(metadata, "tenant")', "an object in JSON"),
        ('has(inputs, "x")', "has(...) is not understood"),
        ('gt(latency, "soon")', "no length of time"),
        ('like(name, "x")', "like(...) is not understood"),
        ("gt(name, null)", "needs a number"),
        ('gt(start_time, "soon")', "no moment"),
        ("not(" * 9 + "eq(a, 1)" + ")" * 9, "deep"),
        ("x" * 9000, "characters"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(said: str, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_filter(said)
    assert why in refused.value.message
