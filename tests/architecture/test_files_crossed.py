"""One chat completion stays within a reader's reach: the files whose code runs for it, counted by a profiler."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

from switchgear.config.model import Config, Journal, Key, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.processes.gateway import build
from switchgear.processes.options import GatewayOptions
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.architecture.sources import PACKAGE

MOST_FILES = 20
KEY = "sk-sg-test-0123456789abcdef"
WARM_UP_CALLS = 3
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def message(first_line: str, body: object, *headers: str) -> bytes:
    """One HTTP/1.1 message with a JSON body."""
    payload = json.dumps(body).encode()
    lines = (first_line, *headers, "content-type: application/json", f"content-length: {len(payload)}")
    return "\r\n".join((*lines, "", "")).encode() + payload


REQUEST = message(
    "POST /v1/chat/completions HTTP/1.1",
    {"model": "m", "messages": [{"role": "user", "content": "Say hello."}]},
    "host: localhost",
    f"authorization: Bearer {KEY}",
)


async def answer_all(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(message("HTTP/1.1 200 OK", COMPLETION))


class Crossed:
    """The package's files in which a function ran while this was the thread's profiler."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)):
            self.files.add(Path(path).relative_to(PACKAGE).as_posix())


@asynccontextmanager
async def gateway(directory: Path, upstream: ScriptedUpstream) -> AsyncGenerator[int]:
    """The gateway as its process builds it under a supervisor, real journal included; gives its port."""
    base_url = f"http://127.0.0.1:{upstream.origin.port}/v1"
    config = Config(
        journal=Journal(directory=str(directory)),
        keys=(Key(name="tester", key=Secret(KEY)),),
        providers={"up": ProviderEntry(kind="openai_compatible", base_url=base_url, api_key=Secret("sk-upstream"))},
        models={"m": ModelEntry(deployments=(DeploymentEntry(model="up/m"),))},
    )
    parts = build(config, GatewayOptions(control_socket=str(directory / "control.sock")))
    listening = socket.create_server(("127.0.0.1", 0))
    await parts.server.start(listening)
    try:
        yield listening.getsockname()[1]
    finally:
        await parts.server.drain(0)
        await parts.transport.aclose()
        parts.journal.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """One call, and the body of its answer."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    return await reader.readexactly(int(length.split()[1]))


async def files_crossed(directory: Path) -> set[str]:
    """What one completion runs through once connections and tables are there; the upstream's own file is not ours."""
    crossed = Crossed()
    async with ScriptedUpstream(answer_all) as upstream, gateway(directory, upstream) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(WARM_UP_CALLS):
            await ask(reader, writer)
        sys.setprofile(crossed)
        try:
            body = await ask(reader, writer)
        finally:
            sys.setprofile(None)
        writer.close()
        assert json.loads(body)["choices"] == COMPLETION["choices"]
        assert upstream.connections == 1
    return {file for file in crossed.files if not file.startswith("testing/")}


async def test_one_chat_completion_crosses_few_files(tmp_path: Path) -> None:
    crossed = await files_crossed(tmp_path)
    assert {"doors/connection.py", "traces/journal.py", "upstream/connection.py"} <= crossed
    assert len(crossed) <= MOST_FILES, "\n".join(["", *sorted(crossed)])
