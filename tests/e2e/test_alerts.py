"""Alerts of a live server: a budget that is nearly spent and drift reach a webhook, and the API knows of both."""

import asyncio
import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import ToldSpan
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.alerts.deliver.webhook import is_genuine
from switchgear.wire import otlp_json
from tests.e2e.live import CONFIG, KEY, LiveServer

SECRET = "a-secret-of-some-length"
ALERTS = """
limits:
  few: {{{{scope: {{{{key: "*"}}}}, per: month, requests: 4}}}}
alerts:
  every_seconds: 5
  rules: {{{{nearly: {{{{limit: few, above: 0.4, notify: [hook]}}}}, changed: {{{{drift: length, notify: [hook]}}}}}}}}
  receivers: {{{{hook: {{{{kind: webhook, url: "{url}", secret: {secret}}}}}}}}}
"""


class Hook:
    """Keeps the first notice of each rule."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.told: dict[str, asyncio.Future[tuple[dict[str, str], bytes]]] = {
            rule: loop.create_future() for rule in ("nearly", "changed")
        }
        self.server = ScriptedUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            told = self.told[json.loads(body)["rule"]]
            if not told.done():
                lines = head.decode().split("\r\n")[1:]
                told.set_result((dict(line.split(": ", 1) for line in lines if line), body))


def ask(url: str, body: bytes | None = None) -> dict[str, list[dict[str, str]]]:
    headers = {"content-type": "application/json"}
    if "/api/" not in url:
        headers["authorization"] = f"Bearer {KEY}"
    with urlopen(Request(url, body, headers), timeout=10) as answer:
        return json.load(answer)


def asked(hours_ago: int, tokens: int) -> bytes:
    """500 calls of a model, as an SDK exports them."""
    began_ns = SystemClock().wall_ns() - hours_ago * 3_600_000_000_000
    return otlp_json.write(
        [
            ToldSpan(
                trace_id=f"{hours_ago * 1000 + number + 1:032x}",
                span_id=f"{1:016x}",
                name="chat",
                started_ns=began_ns,
                ended_ns=began_ns + 1,
                attributes={
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "small",
                    "gen_ai.usage.input_tokens": tokens + number % 9,
                },
            )
            for number in range(500)
        ]
    )


@pytest.mark.timeout(90)
async def test_a_budget_that_is_nearly_spent_and_drift_are_told_and_listed(tmp_path: Path) -> None:
    hook = Hook()
    async with hook.server:
        url = f"http://{hook.server.origin.authority}/hook"
        with LiveServer(tmp_path, CONFIG + ALERTS.format(url=url, secret=SECRET)) as server:
            call = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hi"}]}).encode()
            for spans in (asked(30, 20), asked(1, 60)):
                await asyncio.to_thread(ask, f"{server.url}/v1/traces", spans)
            await asyncio.to_thread(ask, f"{server.url}/api/v1/drift", b"{}")
            for _ in range(2):
                await asyncio.to_thread(ask, f"{server.url}/v1/chat/completions", call)
            headers, body = await hook.told["nearly"]
            _, drifted = await hook.told["changed"]
            listed = await asyncio.to_thread(ask, f"{server.url}/api/v1/alerts")
    assert is_genuine(SECRET, headers["x-switchgear-signature"], headers["x-switchgear-timestamp"], body)
    notice = json.loads(body)
    assert (notice["event"], notice["rule"], notice["labels"]) == ("firing", "nearly", "requests key=tester")
    assert notice["value"] == 0.5
    assert (json.loads(drifted)["labels"], json.loads(drifted)["detail"]) == ("request_model=small", "length")
    standings = {one["rule"]: one["state"] for one in listed["data"]}
    assert standings == {"nearly": "firing", "changed": "firing"}
