"""Streams that do not end well, on a live server: each leaves one row in the ledger, exact or between bounds."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from switchgear.app.database import open_database
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.kernel.clock import SystemClock
from switchgear.ledger.listing import Wanted
from switchgear.ledger.row import Row
from switchgear.ledger.service import Ledger
from switchgear.processes.open_calls import FOLDER
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.e2e.live import KEY, LiveServer

CONFIG = """
server: {{{{port: 0, drain_seconds: 1}}}}
journal: {{{{directory: {{journal}}}}}}
state: {{{{directory: {{state}}}}}}
keys: [{{{{name: tester, key: {{key}}}}}}]
providers:
  up:
    kind: openai_compatible
    base_url: {url}
    prices: {{{{"*": {{{{input: 1, output: 10}}}}}}}}
routing:
  retries: {{{{attempts: 2, base_seconds: 0.01, max_seconds: 0.02}}}}
  breaker: {{{{consecutive_failures: 1000000, minimum_calls: 1000000}}}}
models:
  late: {{{{deployments: [{{{{model: up/late, timers: {{{{first_token_seconds: 0.5}}}}}}}}]}}}}
"""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = 32
"""Bytes of content in a chunk: two tokens at least."""
MAX_TOKENS = 100
INPUT_NANO_USD, OUTPUT_NANO_USD = 1000, 10_000

FRAME = {"id": "same", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(data: object) -> bytes:
    body = b"data: %b\n\n" % (data if isinstance(data, bytes) else json.dumps(data).encode())
    return b"%x\r\n%b\r\n" % (len(body), body)


def content() -> bytes:
    choices = [{"index": 0, "delta": {"content": "x" * PIECE}, "finish_reason": None}]
    return chunk({**FRAME, "choices": choices})


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
NONE: list[object] = []
END = (
    chunk({**FRAME, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]})
    + chunk({**FRAME, "choices": NONE, "usage": USAGE})
    + chunk(b"[DONE]")
    + b"0\r\n\r\n"
)
FAILURE = chunk({"error": {"message": "broken", "type": "server_error", "code": "server_error"}}) + b"0\r\n\r\n"


class Vendor:
    """Does with each request what its model is called."""

    def __init__(self) -> None:
        self.retried = False

    async def __call__(self, peer: Peer) -> None:
        while True:
            _, body = await peer.request()
            if not await self._answer(peer, json.loads(body)["model"]):
                return

    async def _answer(self, peer: Peer, model: str) -> bool:
        """Whether the connection lives."""
        if model == "retry" and not self.retried:
            self.retried = True
            await peer.send(b"HTTP/1.1 500 Broken\r\ncontent-length: 2\r\n\r\n{}")
            return True
        if model in {"silent", "late"}:
            await peer.gone()
            return False
        await peer.send(HEAD + content())
        if model == "cut":
            return False
        if model == "endless":
            await peer.gone()
            return False
        await peer.send(FAILURE if model == "fails" else END)
        return True


@asynccontextmanager
async def served(directory: Path) -> AsyncGenerator[LiveServer]:
    async with ScriptedUpstream(Vendor()) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        server = await asyncio.to_thread(LiveServer(directory, CONFIG.format(url=url)).__enter__)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def ask(server: LiveServer, model: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a streamed call."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    said = {"model": model if model == "late" else f"up/{model}", "stream": True, "max_tokens": MAX_TOKENS}
    body = json.dumps({**said, "messages": [{"role": "user", "content": "hello"}]}).encode()
    retries = 1 if model in {"late", "retry"} else 0
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    head += f"x-switchgear-retries: {retries}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return reader, writer


async def call(server: LiveServer, model: str, until: bytes | None) -> bytes:
    """A streamed call, read up to ``until`` and then left; None: left a moment after it was asked, without reading."""
    reader, writer = await ask(server, model)
    seen = b""
    async with asyncio.timeout(20):
        while until is not None and until not in seen:
            data = await reader.read(65536)
            if not data:
                break
            seen += data
        if until is None:
            await asyncio.sleep(0.3)
    writer.close()
    return seen


async def rows_of(server: LiveServer, count: int) -> list[Row]:
    """All rows, in the order of their beginning, once there are so many."""
    database = open_database(Control(database=Secret(str(server.directory / "switchgear-data" / "control.db"))))
    try:
        ledger = Ledger(database, SystemClock())
        async with asyncio.timeout(20):
            while True:
                found = await ledger.page(Wanted(), 100)
                if len(found.entries) >= count:
                    return [entry.now() for entry in reversed(found.entries)]
                await asyncio.sleep(0.05)
    finally:
        await database.aclose()


Expected = tuple[str, str, str]
"""Outcome, state, reason."""
SCENARIOS: Mapping[str, tuple[bytes | None, list[Expected]]] = {
    "cut": (b"error", [("failed", "estimated", "broken_off")]),
    "silent": (None, [("cancelled", "unknown", "cancelled")]),
    "endless": (b"xxxx", [("cancelled", "estimated", "cancelled")]),
    "whole": (b"[DONE]", [("ok", "settled", "")]),
    "late": (b"\r\n\r\n", [("failed", "unknown", "unanswered"), ("failed", "unknown", "unanswered")]),
    "fails": (b"error", [("failed", "estimated", "broken_off")]),
    "retry": (b"[DONE]", [("failed", "void", "refused"), ("ok", "settled", "")]),
}


@pytest.mark.timeout(100)
async def test_each_way_a_stream_can_go_wrong_leaves_one_row_for_each_attempt(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        expected: list[tuple[str, Expected]] = []
        for model, (until, attempts) in SCENARIOS.items():
            await call(server, model, until)
            expected += [(model, one) for one in attempts]
        rows = await rows_of(server, len(expected))
    assert [(row.upstream_model, (row.outcome, row.state, row.reason)) for row in rows] == expected
    for row in rows:
        within_bounds(row)


async def test_a_stream_that_dies_with_its_gateway_is_on_record_as_what_it_may_cost(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        reader, writer = await ask(server, "endless")
        await reader.readuntil(b"xxxx")
        note = server.journal / FOLDER
        async with asyncio.timeout(20):
            while not list(note.glob("*.calls")):
                await asyncio.sleep(0.02)
        (gateway,) = server.gateway_pids()
        os.kill(gateway, signal.SIGKILL)
        (row,) = await rows_of(server, 1)
        writer.close()
    assert (row.upstream_model, row.outcome, row.error, row.state) == ("endless", "failed", "gateway_died", "unknown")
    assert (row.key, row.reason) == ("tester", "unanswered")
    within_bounds(row)


def within_bounds(row: Row) -> None:
    """The cost that must be, and what it must lie between."""
    if row.state == "settled":
        assert row.cost_nano_usd == 7 * INPUT_NANO_USD + 3 * OUTPUT_NANO_USD
    if row.state in {"settled", "void"}:
        assert row.lowest_nano_usd == row.cost_nano_usd == row.highest_nano_usd
        return
    highest = row.highest_nano_usd
    assert highest is not None
    assert MAX_TOKENS * OUTPUT_NANO_USD < highest < (MAX_TOKENS * OUTPUT_NANO_USD + 1000 * INPUT_NANO_USD)
    if row.state == "estimated":
        assert row.lowest_nano_usd == PIECE // 16 * OUTPUT_NANO_USD
        assert row.lowest_nano_usd < row.cost_nano_usd < highest
    else:
        assert (row.lowest_nano_usd, row.cost_nano_usd) == (0, 0)
