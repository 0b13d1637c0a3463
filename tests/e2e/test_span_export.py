"""Spans that leave a live server go through a real collector, and come back into another project as they were."""

import asyncio
import json
import socket
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import SpanEvent, ToldSpan
from switchgear.wire import otlp_protobuf
from tests.e2e.live import CONFIG, KEY, LiveServer
from tests.e2e.test_traces import PROTOBUF, post
from tests.traces.doors.stand import sdk_python

BACK = f"{KEY}-back"
WHOLE: Final = ("input", "output", "resource", "events")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def rotel() -> str:
    python = sdk_python()
    found = list(Path(python).parent.parent.glob("lib/python*/site-packages/rotel/rotel-agent")) if python else []
    if not found:
        pytest.skip("needs the collector that scripts/tracing-sdks sets up")
    return str(found[0])


@contextmanager
def collector(
    program: str, port: int, target: str, log: Path, *, key: str = BACK, protocol: str = "http"
) -> Generator[None]:
    """Takes spans in at ``port``, and sends them to ``target`` under ``key``, which is the other project's."""
    command = [
        *(program, "start", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}"),
        *("--otlp-http-endpoint", f"127.0.0.1:{port}", "--exporter", "otlp", "--otlp-exporter-protocol", protocol),
        *("--otlp-exporter-endpoint", target, "--otlp-exporter-custom-headers", f"authorization=Bearer {key}"),
    ]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors, cwd=log.parent, env={})
    try:
        yield
    finally:
        process.kill()
        process.wait()


MORE: Final = """
organisations: {{acme: {{}}}}
projects: {{shop: {{}}, back: {{}}}}
traces:
  export:
    far: {{endpoint: "http://127.0.0.1:PORT", projects: [shop], content: true}}
"""
KEYS: Final = """
  - {{name: shop, key: {key}-shop, project: shop}}
  - {{name: back, key: {key}-back, project: back}}
"""


def config(port: int) -> str:
    return CONFIG.replace("\nproviders:", f"{KEYS}providers:", 1) + MORE.replace("PORT", str(port))


def span(number: int, **changes: object) -> ToldSpan:
    now_ns = SystemClock().wall_ns()
    told: dict[str, object] = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "name": "chat small",
        "started_ns": now_ns - 5_000_000,
        "ended_ns": now_ns,
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.response.model": "small",
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.cache_read.input_tokens": 4,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"blue whale"}]}]',
            "switchgear.cost.nano_usd": 42,
            "mine": [1, "two", True],
        },
        "resource": {"service.name": "shop"},
        "scope_name": "lib",
        "scope_version": "1",
    }
    return ToldSpan(**{**told, **changes})  # pyright: ignore[reportArgumentType] (of many types)


def spans_in(live: LiveServer, project: str) -> dict[str, Mapping[str, Any]]:
    """All of the trace, whole, by id, without what says where they are."""
    found: dict[str, Mapping[str, Any]] = {}
    _, _, body = live.get("/api/v1/spans?" + urlencode({"project": project}))
    for row in json.loads(body)["data"]:
        path = f"/api/v1/traces/{TRACE}/spans/{row['span_id']}?" + urlencode({"project": project})
        found[row["span_id"]] = json.loads(live.get(path)[2])
    return found


def as_it_was(span: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says whose it is, and who told it."""
    return {name: value for name, value in span.items() if name not in {"project", "key", "convention"}}


async def met(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def test_spans_go_through_a_real_collector_and_come_back_as_they_were(tmp_path: Path) -> None:
    program, port = rotel(), free_port()
    with LiveServer(tmp_path, config(port)) as live:
        told = [
            span(1),
            span(2, parent_id=f"{1:016x}", status="error", status_message="no", attributes={"a": "b"}),
            span(3, parent_id=f"{1:016x}", events=(SpanEvent(name="seen", at_ns=7, attributes={"n": 1}),)),
        ]
        position = tmp_path / "switchgear-data" / "traces.db.exports" / "far.json"
        await met(position.exists)
        headers = {"content-type": PROTOBUF, "authorization": f"Bearer {KEY}-shop"}
        # Nobody listens yet: the store keeps what is owed.
        assert post(live, "/v1/traces", otlp_protobuf.write(told), headers)[0] == 200
        with collector(program, port, live.url, tmp_path / "rotel.log"):
            await met(lambda: len(spans_in(live, "back")) == len(told))
        sent, came = spans_in(live, "shop"), spans_in(live, "back")
        metrics = live.get("/metrics")[2].decode()
    assert 'switchgear_span_export_sent_total{collector="far"} 3' in metrics
    for span_id, mine in sent.items():
        back = came[span_id]
        assert as_it_was(back["span"]) == as_it_was(mine["span"])
        assert {name: back[name] for name in WHOLE} == {name: mine[name] for name in WHOLE}
        assert back["attributes"].items() >= mine["attributes"].items()
