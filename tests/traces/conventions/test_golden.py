"""What SDKs of the field really sent becomes the row that was agreed."""

import json
from pathlib import Path

import pytest

from switchgear.kernel.chat import Usage
from switchgear.kernel.span import ToldSpan
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser
from tests.traces.conventions.golden import cases, rows_beside, rows_of, spans_of


@pytest.mark.parametrize("case", cases(), ids=lambda path: path.stem)
def test_a_recorded_payload_becomes_its_golden_rows(case: Path) -> None:
    assert rows_of(case) == json.loads(rows_beside(case).read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", cases(), ids=lambda path: path.stem)
def test_no_token_of_a_trace_is_counted_twice(case: Path) -> None:
    normalise = Normaliser()
    spans = [normalise(told, Origin(project="p", door="otlp")) for told in spans_of(case)]
    parents = {span.span_id: span.parent_id for span in spans}
    counted = {span.span_id for span in spans if span.counted and span.usage not in {None, Usage()}}
    for span in counted:
        above = parents[span]
        while above:
            assert above not in counted
            above = parents.get(above, "")


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        ({"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o"}, "gpt-4o"),
        ({"langsmith.span.kind": "llm", "langsmith.metadata.ls_model_name": "gpt-4o"}, "gpt-4o"),
        (
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
            },
            "gpt-4o-2024-08-06",
        ),
        ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}, "gpt-4o"),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "gpt-4o"}, "gpt-4o"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o"}, ""),
    ],
)
def test_of_one_model_a_call_says_that_it_answered_and_tools_with_one_say_so_of_every_span(
    attributes: dict[str, object], model: str
) -> None:
    told = ToldSpan(trace_id="ab" * 16, span_id="cd" * 8, name="call", started_ns=1, ended_ns=2, attributes=attributes)
    span = Normaliser()(told, Origin(project="p", door="otlp"))
    assert (span.request_model, span.model) == ("gpt-4o", model)
