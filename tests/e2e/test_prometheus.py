"""Prometheus scrapes a live server and evaluates our rules; Alertmanager tells once of an alert and once of its end."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.e2e.live import LiveServer
from tests.e2e.test_routes import COMPLETION, fails

PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
providers:
  up: {{kind: openai_compatible, base_url: "UPSTREAM"}}
routing: {{retries: {{attempts: 1}}, breaker: {{consecutive_failures: 2, open_seconds: 1, max_open_seconds: 1}}}}
models:
  chat: {{deployments: [{{model: up/m}}]}}
"""
ALERT = "SwitchgearBreakerOpen"
EVALUATED = f'count_over_time(ALERTS{{alertname="{ALERT}",alertstate="firing"}}[1m])'
SCRAPED = "count(gen_ai_client_inference_duration_seconds_bucket)"


class Upstream:
    """Answers chats, or fails."""

    def __init__(self) -> None:
        self.fails = True

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.request()
            status, body = ("500 Oops", b"{}") if self.fails else ("200 OK", COMPLETION)
            head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            await peer.send(head.encode() + body)


class Webhook:
    """Keeps what Alertmanager delivers."""

    def __init__(self) -> None:
        self.messages: list[Mapping[str, object]] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            _, body = await peer.request()
            self.messages.append(json.loads(body))
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def states(self) -> list[object]:
        """What was delivered of the alert, in its order."""
        return [told["status"] for told in self.messages if f'"alertname": "{ALERT}"' in json.dumps(told)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], log: Path) -> Generator[None]:
    """A process of the test's own, for the time of a ``with``."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def until(is_so: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(is_so):
        await asyncio.sleep(0.02)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def number(prometheus: str, query: str) -> float:
    """The one value of a query; 0 when there is none."""
    with urlopen(f"{prometheus}/api/v1/query?query={quote(query)}", timeout=5) as answer:
        found = json.loads(answer.read())["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


def written(folder: Path, ports: Mapping[str, int], webhook: int) -> None:
    """What deploy/ holds, with these ports and with everything at once."""
    told = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8").replace("15s", "200ms")
    told = told.replace("127.0.0.1:4000", f"127.0.0.1:{ports['server']}")
    (folder / "prometheus.yml").write_text(told.replace("127.0.0.1:9093", f"127.0.0.1:{ports['alertmanager']}"))
    rules = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
    (folder / "alerts.yml").write_text(re.sub(r"^( +for:) .*$", r"\1 0s", rules, flags=re.MULTILINE))
    told = (DEPLOY / "alertmanager.yml").read_text(encoding="utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{webhook}")
    told = told.replace("group_wait: 30s", "group_wait: 0s").replace("group_interval: 5m", "group_interval: 200ms")
    (folder / "alertmanager.yml").write_text(told)


@pytest.mark.skipif(
    PROMETHEUS is None or ALERTMANAGER is None,
    reason="Prometheus and Alertmanager are not installed (Debian: prometheus, prometheus-alertmanager)",
)
async def test_an_open_breaker_is_told_once_and_so_is_its_closing(tmp_path: Path) -> None:
    assert PROMETHEUS is not None
    assert ALERTMANAGER is not None
    upstream, webhook = Upstream(), Webhook()
    async with AsyncExitStack() as stack:
        origin = (await stack.enter_async_context(ScriptedUpstream(upstream))).origin
        hook = (await stack.enter_async_context(ScriptedUpstream(webhook))).origin
        config = CONFIG.replace("UPSTREAM", f"http://127.0.0.1:{origin.port}/v1")
        server = stack.enter_context(LiveServer(tmp_path, config))
        ports = {name: free_port() for name in ("alertmanager", "prometheus")}
        written(tmp_path, {**ports, "server": int(server.url.rsplit(":", 1)[1])}, hook.port)
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        manager = [ALERTMANAGER, "--config.file=alertmanager.yml", "--storage.path=alertmanager"]
        manager += [f"--web.listen-address={addresses['alertmanager']}", "--cluster.listen-address="]
        stack.enter_context(running(manager, tmp_path / "alertmanager.log"))
        await until(lambda: answers(f"http://{addresses['alertmanager']}/-/ready"))
        program = [PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus"]
        program += [f"--web.listen-address={addresses['prometheus']}"]
        stack.enter_context(running(program, tmp_path / "prometheus.log"))
        prometheus = f"http://{addresses['prometheus']}"
        await until(lambda: answers(f"{prometheus}/-/ready"))
        for _ in range(3):
            assert await asyncio.to_thread(fails, server)
        await until(lambda: webhook.states() == ["firing"])
        # Many evaluations later it still is one message.
        await until(lambda: number(prometheus, EVALUATED) >= 10)
        assert webhook.states() == ["firing"]
        assert await asyncio.to_thread(number, prometheus, SCRAPED) > 0
        upstream.fails = False
        await until(lambda: not fails(server))
        await until(lambda: len(webhook.states()) > 1)
        assert webhook.states() == ["firing", "resolved"]
        server.stop()
