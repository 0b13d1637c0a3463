"""A gateway asks servers for their queues as its configuration says, with its own client, over real sockets."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from switchgear.config.model import Config, Journal, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.upstream import Timers
from switchgear.processes.gateway import Parts, build
from switchgear.processes.options import GatewayOptions
from switchgear.routing.queues import MAX_BYTES, Queues, QueueWatch
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.wire.queue_metrics import QueueReading

TELLING = b"vllm:num_requests_running 3\nvllm:num_requests_waiting 2\nvllm:kv_cache_usage_perc 0.5\n"


class Answering:
    """A server that gives every request the same answer."""

    def __init__(self, body: bytes, status: str = "200 OK") -> None:
        self.heads: list[bytes] = []
        self._answer = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.heads.append((await peer.request())[0])
            await peer.send(self._answer)


@asynccontextmanager
async def watching(tmp_path: Path, server: Answering) -> AsyncGenerator[Parts]:
    """A gateway with two models and two keys at one server, and a provider that nobody uses."""
    async with ScriptedUpstream(server) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        keys = (Secret("sk-one"), Secret("sk-two"))
        config = Config(
            journal=Journal(directory=str(tmp_path)),
            providers={
                "up": ProviderEntry(kind="vllm", base_url=url, api_keys=keys, queue_metrics="/metrics?all=1"),
                "idle": ProviderEntry(kind="vllm", base_url=url, queue_metrics="/metrics"),
                "quiet": ProviderEntry(kind="vllm", base_url=url),
            },
            models={
                "chat": ModelEntry(deployments=(DeploymentEntry(model="up/a"), DeploymentEntry(model="quiet/a"))),
                "other": ModelEntry(deployments=(DeploymentEntry(model="up/b"),)),
            },
        )
        parts = build(config, GatewayOptions())
        try:
            yield parts
        finally:
            parts.journal.close()
            await parts.transport.aclose()


async def ask_all(parts: Parts) -> None:
    """As the gateway's own watch does, with more patience."""
    watch = QueueWatch(lambda: parts.snapshots.current.part(Queues), SystemClock(), Timers())
    for source in parts.snapshots.current.part(Queues).sources:
        await watch.ask(source)


async def test_every_deployment_at_the_server_hears_its_word(tmp_path: Path) -> None:
    server = Answering(TELLING)
    async with watching(tmp_path, server) as parts:
        await ask_all(parts)
        told = {health.name: health.reading(0) for health in parts.outside.fleet}
        reading = QueueReading(running=3, waiting=2, cache_usage=0.5)
        assert told == {"up/a#1": reading, "up/a#2": reading, "up/b#1": reading, "up/b#2": reading, "quiet/a": None}
        await parts.sharing.round()
        text = (parts.state.metrics().body or b"").decode()
        assert 'switchgear_deployment_server_running{deployment="up/b#2"} 3' in text
        assert 'switchgear_deployment_server_waiting{deployment="up/b#2"} 2' in text
        assert 'switchgear_deployment_server_cache_usage{deployment="up/b#2"} 0.5' in text
    (head,) = server.heads
    assert head.startswith(b"GET /metrics?all=1 HTTP/1.1\r\n")
    assert b"\r\nauthorization: Bearer sk-one\r\n" in head


async def test_an_answer_that_is_too_large_is_let_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watching(tmp_path, Answering(TELLING + b"x" * MAX_BYTES)) as parts:
        with caplog.at_level(logging.WARNING):
            await ask_all(parts)
        assert f"a body of more than {MAX_BYTES} bytes" in caplog.messages[0]
        assert all(health.reading(0) is None for health in parts.outside.fleet)


async def test_a_server_that_is_not_there_is_told_without_its_query_or_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(tmp_path, Answering(b"no", "401 Unauthorized")) as parts:
        with caplog.at_level(logging.WARNING):
            await ask_all(parts)
        (told,) = caplog.messages
        assert "GET /metrics was answered with status 401" in told
        assert "all=1" not in told
        assert "sk-one" not in told
