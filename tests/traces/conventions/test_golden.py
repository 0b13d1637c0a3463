"""What SDKs of the field really sent becomes the row that was agreed."""

import json
from pathlib import Path

import pytest

from switchgear.kernel.chat import Usage
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
