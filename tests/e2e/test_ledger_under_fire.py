"""Calls by the thousand while the database stands still and a gateway is killed: rows are calls, and sums are exact."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from switchgear.app.database import ControlDatabase, open_database
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.kernel.clock import SystemClock
from switchgear.ledger.service import Ledger
from switchgear.ledger.tables import ROWS, TOTALS
from switchgear.processes.bookkeeping import identity, pieces
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.journal_reader import records_up_to
from tests.conftest import schema_of_its_own
from tests.e2e.live import LiveServer, records
from tests.e2e.load import Load

CONFIG = """
server: {{{{port: 0, drain_seconds: 5}}}}
control: {{{{database: "{database}"}}}}
journal: {{{{directory: {{journal}}}}}}
state: {{{{directory: {{state}}}}}}
keys: [{{{{name: tester, key: {{key}}}}}}]
providers:
  up: {{{{kind: openai_compatible, base_url: {url}, prices: {{{{m: {{{{input: 1, output: 10}}}}}}}}}}}}
routing:
  breaker: {{{{consecutive_failures: 1000000, minimum_calls: 1000000}}}}
models:
  echo: {{{{deployments: [{{{{model: up/m}}}}]}}}}
"""
COST_NANO_USD = 7 * 1000 + 3 * 10_000
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-the-same-for-all",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: same\r\ncontent-length: %d\r\n\r\n%b" % (
    len(COMPLETION),
    COMPLETION,
)
CLIENTS = 16


async def vendor(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(ANSWER)


class Proxy:
    """Stands before a server, and can stop passing anything on, so that its clients wait without an error."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[int]:
        """Its port."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        for source, target in ((reader, upstream_writer), (upstream_reader, writer)):
            task = asyncio.get_running_loop().create_task(self._pass(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self.flowing.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()


@asynccontextmanager
async def served(directory: Path, database_url: str) -> AsyncGenerator[LiveServer]:
    async with ScriptedUpstream(vendor) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        server = LiveServer(directory, CONFIG.format(url=url, database=database_url))
        await asyncio.to_thread(server.__enter__)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def fire(server: LiveServer, proxy: Proxy, calls: int, frozen_seconds: float) -> Load:
    """Make so many calls; from a quarter on the database stands still for a while, and at the half a gateway dies."""
    load = Load(server.url)
    running = asyncio.get_running_loop().create_task(load.run(CLIENTS))
    await reached(load, calls // 4)
    proxy.flowing.clear()
    thaw = asyncio.get_running_loop().call_later(frozen_seconds, proxy.flowing.set)
    await reached(load, calls // 2)
    os.kill(server.gateway_pids()[0], signal.SIGKILL)
    await reached(load, calls)
    load.stop()
    await running
    await proxy.flowing.wait()
    thaw.cancel()
    return load


async def reached(load: Load, calls: int) -> None:
    while len(load.answered) < calls:
        await asyncio.sleep(0.02)


async def sums(database: ControlDatabase) -> tuple[int, int, int, int]:
    """Rows, what they cost, and both as the totals have it."""
    async with database.read() as connection:
        rows = (await connection.execute(select(func.count(), func.sum(ROWS.c.cost_nano_usd)))).one()
        of_all = select(func.sum(TOTALS.c.attempts), func.sum(TOTALS.c.cost_nano_usd)).where(TOTALS.c.scope == "all")
        totals = (await connection.execute(of_all)).one()
    return (int(rows[0]), int(rows[1] or 0), int(totals[0] or 0), int(totals[1] or 0))


@pytest.mark.service("postgres")
@pytest.mark.parametrize(
    ("calls", "frozen_seconds"),
    [
        pytest.param(2_000, 2.0, marks=pytest.mark.timeout(120)),
        pytest.param(100_000, 60.0, marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
async def test_rows_are_calls_although_postgres_stands_still_and_a_gateway_is_killed(
    tmp_path: Path, service_url: str, calls: int, frozen_seconds: float
) -> None:
    async with schema_of_its_own(service_url) as url:
        address = urlsplit(url)
        proxy = Proxy(address.hostname or "", address.port or 5432)
        async with proxy.listening() as port:
            through = url.replace(f"{address.hostname}:{address.port}", f"127.0.0.1:{port}")
            async with served(tmp_path, through) as server:
                load = await fire(server, proxy, calls, frozen_seconds)
                written = records(server)
                database = open_database(Control(database=Secret(url)))
                while (await sums(database))[0] < len(written):
                    await asyncio.sleep(0.1)
                found = await sums(database)
                ledger = Ledger(database, SystemClock())
                position = await ledger.position(identity(server.journal))
                proof = await ledger.prove_journal(pieces(records_up_to(server.journal, position)))
                await database.aclose()
    settled = [record.id for record in written if record.attempts[0].cost == "settled"]
    assert set(load.answered) <= set(settled)
    assert load.failed == []
    assert len(written) == len({record.id for record in written}) == found[0] == found[2]
    assert found[1] == found[3] == len(settled) * COST_NANO_USD
    assert (proof.compared, proof.differing) == (len(written), 0)
