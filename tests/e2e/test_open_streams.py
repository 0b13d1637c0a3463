"""Streams that stay open: what they take of a live gateway, what ends them, and what a stop does to them."""

import asyncio
import json
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.e2e.live import CONFIG, KEY, LiveServer, records

STREAMS = 1_000
KIBIBYTES_PER_STREAM = 40
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAME = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
REST = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Patient:
    """An upstream whose streams begin, and go on when they are told to."""

    def __init__(self) -> None:
        self.open = 0
        self.may_end = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + chunk(FRAME))
        self.open += 1
        try:
            gone = asyncio.create_task(peer.gone())
            ending = asyncio.create_task(self.may_end.wait())
            await asyncio.wait((gone, ending), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                await peer.send(chunk(REST) + b"0\r\n\r\n")
            gone.cancel()
            ending.cancel()
        finally:
            self.open -= 1


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def before(upstream: ScriptedUpstream) -> str:
    """The configuration of a gateway that stands before ``upstream``."""
    real = f'  real: {{{{kind: openai_compatible, base_url: "http://{upstream.origin.authority}/v1"}}}}\n'
    return CONFIG.replace("providers:\n", f"providers:\n{real}")


async def opened(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream of which the first content has come."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
    body = json.dumps({"model": "real/m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
    await reader.readuntil(b"Hel")
    return reader, writer


def resident_kibibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Room for both ends of all streams in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * STREAMS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the system allows {hard} open files, and {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
async def test_a_thousand_open_streams_take_little_memory_and_end_when_their_clients_go(tmp_path: Path) -> None:
    patient = Patient()
    async with ScriptedUpstream(patient) as upstream:
        with LiveServer(tmp_path, before(upstream)) as server:
            (pid,) = server.gateway_pids()
            async with AsyncExitStack() as few:
                for _ in range(20):
                    few.callback((await opened(server.url))[1].close)
            before_kibibytes = resident_kibibytes(pid)
            async with AsyncExitStack() as clients:
                for _ in range(STREAMS // 50):
                    for _, writer in await asyncio.gather(*(opened(server.url) for _ in range(50))):
                        clients.callback(writer.close)
                grown = resident_kibibytes(pid) - before_kibibytes
                assert patient.open >= STREAMS
            while patient.open:
                await asyncio.sleep(0.01)
            assert grown <= KIBIBYTES_PER_STREAM * STREAMS
            await asyncio.to_thread(server.stop)
        outcomes = Counter(record.outcome for record in records(server))
    assert outcomes == {"cancelled": STREAMS + 20}


async def test_a_stop_takes_no_more_clients_at_once_and_waits_for_the_streams_that_are_open(tmp_path: Path) -> None:
    patient = Patient()
    async with ScriptedUpstream(patient) as upstream:
        with LiveServer(tmp_path, before(upstream)) as server:
            streams = [await opened(server.url) for _ in range(5)]
            server.process.send_signal(signal.SIGTERM)
            parts = urlsplit(server.url)
            while await accepts(parts.hostname or "", parts.port or 0):
                await asyncio.sleep(0.01)
            patient.may_end.set()
            for reader, writer in streams:
                assert b"data: [DONE]" in await reader.read()
                writer.close()
            assert await asyncio.to_thread(server.process.wait, 30) == 0
        assert [record.outcome for record in records(server)] == ["ok"] * 5


async def accepts(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
