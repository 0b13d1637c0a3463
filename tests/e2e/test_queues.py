"""Two servers that tell of their queues: calls go where nobody waits, and everybody sees why."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.e2e.live import LiveServer
from tests.e2e.test_routes import COMPLETION, call, command

CONFIG = """
server: {{port: 0, workers: 2, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
providers:
  a: {{kind: vllm, base_url: "http://127.0.0.1:PORT_A/v1", queue_metrics: /metrics}}
  b: {{kind: vllm, base_url: "http://127.0.0.1:PORT_B/v1", queue_metrics: /metrics}}
models:
  chat: {{deployments: [{{model: a/m}}, {{model: b/m}}]}}
"""
CALLS = 20
COUNTS = b'vllm:num_requests_running{engine="0"} 4.0\nvllm:num_requests_waiting{engine="0"} %d.0\n'


class ModelServer:
    """Answers chats, and tells of a queue that somebody else fills."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.calls = 0
        self.paths: set[bytes] = set()

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            path = head.split()[1]
            self.paths.add(path)
            self.calls += path != b"/metrics"
            body = COUNTS % self.waiting if path == b"/metrics" else COMPLETION
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def told(server: LiveServer) -> dict[str, set[int | None]]:
    """What every gateway has heard of each deployment's server."""
    gateways = json.loads(server.get("/api/v1/routes")[2])["gateways"]
    found: dict[str, set[int | None]] = {"a/m": set(), "b/m": set()}
    for gateway in gateways:
        heard = {each["name"]: each["server_waiting"] for each in gateway["deployments"]}
        for name, waiting in found.items():
            waiting.add(heard.get(name))
    return found if len(gateways) == 2 else {}


async def until_told(server: LiveServer, a: int, b: int) -> None:
    while await asyncio.to_thread(told, server) != {"a/m": {a}, "b/m": {b}}:
        await asyncio.sleep(0.05)


async def test_calls_go_to_the_server_where_nobody_waits_and_follow_when_that_changes(tmp_path: Path) -> None:
    one, other = ModelServer(waiting=3), ModelServer(waiting=0)
    async with AsyncExitStack() as stack:
        ports = [(await stack.enter_async_context(ScriptedUpstream(each))).origin.port for each in (one, other)]
        config = CONFIG.replace("PORT_A", str(ports[0])).replace("PORT_B", str(ports[1]))
        server = stack.enter_context(LiveServer(tmp_path, config))
        await until_told(server, 3, 0)
        for _ in range(CALLS):
            await asyncio.to_thread(call, server)
        assert (one.calls, other.calls) == (0, CALLS)
        printed = await asyncio.to_thread(command, "--url", server.url)
        assert "4 running, 3 waiting" in printed
        metrics = (await asyncio.to_thread(server.get, "/metrics"))[2]
        assert b'switchgear_deployment_server_waiting{deployment="a/m"} 3' in metrics
        one.waiting, other.waiting = 0, 1
        await until_told(server, 0, 1)
        for _ in range(CALLS):
            await asyncio.to_thread(call, server)
        assert (one.calls, other.calls) == (CALLS, CALLS)
        assert one.paths == {b"/metrics", b"/v1/chat/completions"}
        server.stop()
