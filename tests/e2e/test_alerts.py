"""An alert of a live server: a budget that is nearly spent reaches a webhook, and the management API knows it."""

import asyncio
import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.alerts.deliver.webhook import is_genuine
from tests.e2e.live import CONFIG, KEY, LiveServer

SECRET = "a-secret-of-some-length"
ALERTS = """
limits:
  few: {{{{scope: {{{{key: "*"}}}}, per: month, requests: 4}}}}
alerts:
  every_seconds: 5
  rules: {{{{nearly: {{{{limit: few, above: 0.4, notify: [hook]}}}}}}}}
  receivers: {{{{hook: {{{{kind: webhook, url: "{url}", secret: {secret}}}}}}}}}
"""


class Hook:
    """Keeps the first notice."""

    def __init__(self) -> None:
        self.told: asyncio.Future[tuple[dict[str, str], bytes]] = asyncio.get_running_loop().create_future()
        self.server = ScriptedUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            if not self.told.done():
                lines = head.decode().split("\r\n")[1:]
                self.told.set_result((dict(line.split(": ", 1) for line in lines if line), body))


def ask(url: str, body: bytes | None = None) -> dict[str, list[dict[str, str]]]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"} if body else {}
    with urlopen(Request(url, body, headers), timeout=10) as answer:
        return json.load(answer)


@pytest.mark.timeout(90)
async def test_a_budget_that_is_nearly_spent_is_told_and_listed(tmp_path: Path) -> None:
    hook = Hook()
    async with hook.server:
        url = f"http://{hook.server.origin.authority}/hook"
        with LiveServer(tmp_path, CONFIG + ALERTS.format(url=url, secret=SECRET)) as server:
            call = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hi"}]}).encode()
            for _ in range(2):
                await asyncio.to_thread(ask, f"{server.url}/v1/chat/completions", call)
            headers, body = await hook.told
            listed = await asyncio.to_thread(ask, f"{server.url}/api/v1/alerts")
    assert is_genuine(SECRET, headers["x-switchgear-signature"], headers["x-switchgear-timestamp"], body)
    notice = json.loads(body)
    assert (notice["event"], notice["rule"], notice["labels"]) == ("firing", "nearly", "requests key=tester")
    assert notice["value"] == 0.5
    assert [(one["rule"], one["state"]) for one in listed["data"]] == [("nearly", "firing")]
