"""A trace of very many spans comes in pages, each span once."""

import json
from urllib.parse import quote

import pytest

from switchgear.wire import otlp_protobuf
from tests.e2e.live import LiveServer
from tests.e2e.test_traces import PROTOBUF, command, post, told

TRACE = 0xB16
SPANS = 1_000


@pytest.fixture(scope="module", autouse=True)
def told_spans(live: LiveServer) -> list[str]:
    spans = [told(TRACE, n, parent_id=f"{n // 20 + 1:016x}" if n > 1 else "") for n in range(1, SPANS + 1)]
    assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    return [span.span_id for span in spans]


def test_a_large_trace_is_paged_to_its_end_with_each_span_once(live: LiveServer, told_spans: list[str]) -> None:
    found: list[str] = []
    following: str | None = ""
    while following is not None:
        path = f"/api/v1/traces/{TRACE:032x}?limit=100&cursor={quote(following)}"
        page = json.loads(live.get(path)[2])
        found += [span["span_id"] for span in page["spans"]]
        following = page["next"]
    assert sorted(found) == told_spans


def test_the_command_line_shows_as_much_of_a_large_trace_as_is_asked_for(live: LiveServer) -> None:
    trace = f"{TRACE:032x}"
    shown = command(live, "traces", "show", trace, "--limit", "250").splitlines()
    assert len(shown) == 250 + 3
    assert shown[-1] == "The first 250 of 1,000 spans; --limit shows more."
    assert len(json.loads(command(live, "traces", "show", trace, "--json"))["spans"]) == SPANS
