"""Phoenix' client: spans logged and read, annotations and notes given and read."""

import os

from phoenix.client import Client

client = Client(base_url=os.environ["SWITCHGEAR_URL"], api_key=os.environ["SWITCHGEAR_KEY"])
TRACE, SPAN, CHILD = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "b7ad6b7169203332"


def span(span_id: str, name: str, parent: str = "") -> dict[str, object]:
    """One as the client takes it."""
    made = {
        "name": name,
        "context": {"trace_id": TRACE, "span_id": span_id},
        "span_kind": "LLM",
        "start_time": "2026-11-26T10:00:00+00:00",
        "end_time": "2026-11-26T10:00:02+00:00",
        "status_code": "OK",
        "attributes": {"llm.model_name": "gpt-x", "input.value": "hi", "llm.token_count.prompt": 7},
    }
    return {**made, "parent_id": parent} if parent else made


logged = client.spans.log_spans(project_identifier="shop", spans=[span(SPAN, "first"), span(CHILD, "second", SPAN)])
assert logged["total_queued"] == 2, logged
found = client.spans.get_spans(project_identifier="shop", trace_ids=[TRACE], limit=10)
assert {each["name"] for each in found} == {"first", "second"}, found
assert client.spans.get_spans(project_identifier="shop", span_ids=[CHILD])[0]["parent_id"] == SPAN
for label in ("wrong", "right"):
    client.spans.add_span_annotation(
        span_id=SPAN,
        annotation_name="quality",
        annotator_kind="LLM",
        label=label,
        score=0.9,
        explanation="clear",
        sync=True,
    )
client.spans.add_span_note(span_id=SPAN, note="look again")
client.traces.add_trace_annotation(trace_id=TRACE, annotation_name="whole", annotator_kind="CODE", score=1.0, sync=True)
client.sessions.add_session_annotation(
    session_id="chat-7", annotation_name="mood", annotator_kind="HUMAN", label="glad", sync=True
)
annotations = client.spans.get_span_annotations(span_ids=[SPAN], project_identifier="shop")
(mine,) = [each for each in annotations if each["name"] == "quality"]
assert mine["result"]["label"] == "right", mine
try:
    client.spans.log_spans(
        project_identifier="shop", spans=[span("b7ad6b7169203333", "third"), {**span(SPAN, "x"), "status_code": "FINE"}]
    )
except Exception as error:  # noqa: BLE001 (what is told matters, not its class)
    print(error)
