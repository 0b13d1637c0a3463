"""The field's tracing SDKs, unchanged, against a live server by nothing but its address."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from tests.e2e.live import KEY, READING_KEY, LiveServer
from tests.traces.doors.stand import run_program


def newest(live: LiveServer, **wanted: str) -> Mapping[str, object]:
    """The newest span of a kind whose field is as wanted."""
    [(field, value)] = wanted.items()
    where = json.dumps({"type": "compare", "field": field, "value": value})
    status, _, body = live.get("/api/v1/spans?" + urlencode({"where": where, "limit": 1}))
    assert status == 200, body
    [span] = json.loads(body)["data"]
    return span


@pytest.mark.parametrize("instrumentation", ["openinference", "openai-v2", "traceloop"])
async def test_spans_of_an_instrumented_openai_client_are_understood(live: LiveServer, instrumentation: str) -> None:
    await run_program("otlp_openai.py", live.url, SWITCHGEAR_KEY=KEY, INSTRUMENTATION=instrumentation)
    span = newest(live, service=instrumentation)
    assert span["kind"] == "llm"
    assert (span["input_tokens"], span["output_tokens"]) == (3, 3)


@pytest.mark.parametrize(
    "program",
    ["langfuse_traces.py", "langfuse_reads.py", "langsmith_runs.py", "langsmith_reads.py", "phoenix_spans.py"],
)
async def test_a_tools_own_client_finds_again_what_it_sent(live: LiveServer, program: str) -> None:
    await run_program(program, live.url, SWITCHGEAR_KEY=READING_KEY)


@pytest.mark.parametrize("options", [(), ("--older",)])
async def test_langfuses_client_deletes_traces_with_a_key_that_may(live: LiveServer, options: tuple[str, ...]) -> None:
    keys = {"SWITCHGEAR_KEY": READING_KEY, "DELETING_KEY": f"{KEY}-shredder"}
    await run_program("langfuse_deletes.py", live.url, *options, **keys)


async def test_what_newer_clients_have_not_older_ones_still_read(live: LiveServer) -> None:
    await run_program("langfuse_reads.py", live.url, "--older", SWITCHGEAR_KEY=READING_KEY)
