"""The field's tracing SDKs, unchanged, against a live server by nothing but its address."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.e2e.live import KEY, READING_KEY, LiveServer
from tests.traces.doors.stand import run_program


def newest(live: LiveServer, **wanted: str) -> Mapping[str, object]:
    """The newest span of a kind whose field is as wanted."""
    return found(live, 1, **wanted)[0]


def found(live: LiveServer, limit: int, **wanted: str) -> list[Mapping[str, object]]:
    """Spans whose field is as wanted, the newest first."""
    [(field, value)] = wanted.items()
    where = json.dumps({"type": "compare", "field": field, "value": value})
    return asked(live, "/api/v1/spans?" + urlencode({"where": where, "limit": limit}))["data"]


def asked(live: LiveServer, path: str) -> Any:
    """What the management API answers."""
    status, _, body = live.get(path)
    assert status == 200, body
    return json.loads(body)


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


async def test_phoenix_own_set_up_sends_over_http_where_it_is_told_so(live: LiveServer) -> None:
    variables = {"PHOENIX_COLLECTOR_ENDPOINT": live.url, "PHOENIX_API_KEY": READING_KEY}
    told = await run_program("phoenix_otel.py", live.url, PROTOCOL="http/protobuf", **variables)
    (project,) = told.splitlines()[-1:]
    where = json.dumps({"type": "noted", "key": "project", "value": project})
    page = asked(live, "/api/v1/spans?" + urlencode({"where": where}))
    assert {span["name"] for span in page["data"]} == {"ask", "ChatCompletion"}


async def test_spans_of_traceloops_sdk_tell_their_workflow_user_and_session(live: LiveServer) -> None:
    variables = {"TRACELOOP_BASE_URL": live.url, "TRACELOOP_API_KEY": KEY, "TRACELOOP_METRICS_ENABLED": "false"}
    told = await run_program("traceloop_workflow.py", live.url, **variables)
    assert "Metrics are disabled" in told
    spans = {str(span["name"]): span for span in found(live, 10, service="by-traceloop")}
    call, task, workflow = (spans[name] for name in ("openai.chat", "ask.task", "answer.workflow"))
    assert [span["kind"] for span in (call, task, workflow)] == ["llm", "chain", "chain"]
    assert [span["parent_id"] for span in (call, task, workflow)] == [task["span_id"], workflow["span_id"], ""]
    assert {(span["user"], span["session"]) for span in spans.values()} == {("grace", "flow-1")}
    assert (call["input_tokens"], call["output_tokens"]) == (3, 3)
    whole = asked(live, f"/api/v1/traces/{call['trace_id']}/spans/{call['span_id']}")["span"]
    assert (whole["trace_name"], whole["metadata"]) == ("answer", {"team": "north"})


@pytest.mark.parametrize("options", [(), ("--older",)])
async def test_langfuses_client_deletes_traces_with_a_key_that_may(live: LiveServer, options: tuple[str, ...]) -> None:
    keys = {"SWITCHGEAR_KEY": READING_KEY, "DELETING_KEY": f"{KEY}-shredder"}
    await run_program("langfuse_deletes.py", live.url, *options, **keys)


async def test_what_newer_clients_have_not_older_ones_still_read(live: LiveServer) -> None:
    await run_program("langfuse_reads.py", live.url, "--older", SWITCHGEAR_KEY=READING_KEY)
