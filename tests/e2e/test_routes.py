"""The state of deployments in a running gateway: shown in three places, and shared by two workers."""

import asyncio
import json
import re
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from switchgear.processes.reports import living_reports
from switchgear.routing.report import DeploymentReport, FleetReport
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.e2e.live import KEY, SOURCES, LiveServer

CONFIG = """
server: {{port: 0, workers: 2, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
providers:
  sim: {{kind: simulator}}
  up: {{kind: openai_compatible, base_url: "UPSTREAM"}}
routing: {{retries: {{attempts: 1}}, breaker: {{consecutive_failures: 3, open_seconds: 600, max_open_seconds: 600}}}}
models:
  chat:
    deployments: [{{model: up/m, weight: 3}}]
    fallbacks: {{timeout: [sim/echo]}}
"""
FAILURES_THAT_OPEN = 3
MOST_WITH_ONE_OPEN = 2 * FAILURES_THAT_OPEN - 1
"""However two workers share so many failing calls, one breaker opens, and not both."""
BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}).encode()
COMPLETION = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    }
).encode()


async def answer_all(peer: Peer) -> None:
    while True:
        await peer.request()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(COMPLETION)}\r\n\r\n"
        await peer.send(head.encode() + COMPLETION)


def call(server: LiveServer) -> bytes:
    """A call on a connection of its own: any worker may take it."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    with urlopen(Request(f"{server.url}/v1/chat/completions", BODY, headers), timeout=10) as answer:
        return answer.read()


def fails(server: LiveServer) -> bool:
    try:
        call(server)
    except HTTPError:
        return True
    return False


def reports(server: LiveServer) -> dict[str, DeploymentReport]:
    """What each gateway tells of the one deployment."""
    found: list[FleetReport] = living_reports(server.journal)
    return {one.gateway: told for one in found for told in one.deployments if told.name == "up/m"}


def is_open_everywhere(server: LiveServer) -> bool:
    told = reports(server).values()
    return len(told) == 2 and all(each.breaker == "open" for each in told)


async def test_a_breaker_that_opens_in_one_worker_opens_in_the_other_and_is_seen_everywhere(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(answer_all))
        config = CONFIG.replace("UPSTREAM", f"http://127.0.0.1:{upstream.origin.port}/v1")
        server = stack.enter_context(LiveServer(tmp_path, config))
        while len(reports(server)) < 2:
            await asyncio.gather(*(asyncio.to_thread(call, server) for _ in range(4)))
        before = await asyncio.to_thread(server.get, "/metrics")
        assert b'switchgear_breaker_state{deployment="up/m"} 0' in before[2]
        await upstream.__aexit__(None, None, None)
        for _ in range(MOST_WITH_ONE_OPEN):
            assert await asyncio.to_thread(fails, server)
        while not is_open_everywhere(server):
            await asyncio.sleep(0.01)
        assert sorted(told.first_hand for told in reports(server).values()) == [False, True]
        await assert_seen_everywhere(server)
        server.stop()
    assert living_reports(server.journal) == []


async def test_the_routes_are_those_of_the_configuration_in_force(tmp_path: Path) -> None:
    config = CONFIG.replace("UPSTREAM", "http://127.0.0.1:9/v1")
    with LiveServer(tmp_path, config) as server:

        def names() -> list[str]:
            return [model["name"] for model in json.loads(server.get("/api/v1/routes")[2])["models"]]

        assert names() == ["chat"]
        server.write_config(config + "  later: {{deployments: [{{model: sim/echo}}]}}\n")
        while await asyncio.to_thread(names) != ["chat", "later"]:
            await asyncio.sleep(0.01)


async def assert_seen_everywhere(server: LiveServer) -> None:
    _, _, metrics = await asyncio.to_thread(server.get, "/metrics")
    assert b'switchgear_breaker_state{deployment="up/m"} 2' in metrics
    routes = json.loads((await asyncio.to_thread(server.get, "/api/v1/routes"))[2])
    assert [model["name"] for model in routes["models"]] == ["chat"]
    assert [told["breaker"] for told in routes["deployments"] if told["name"] == "up/m"] == ["open"]
    assert len(routes["gateways"]) == 2
    printed = await asyncio.to_thread(command, "--url", server.url)
    assert re.search(r"^  0 +up/m +100% +open for \d+\.\d s ", printed, re.MULTILINE), printed
    assert "falls back on timeout: sim/echo" in printed


def command(*arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "switchgear", "routes", *arguments],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
