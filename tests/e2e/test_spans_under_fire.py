"""The control process is killed again and again while spans come in as fast as they are taken: each is kept once."""

import asyncio
import http.client
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.query import Aggregate, Find, Measure, Window
from switchgear.wire import otlp_protobuf
from tests.e2e.live import LiveServer
from tests.e2e.test_traces import PROTOBUF, post, told

SENDERS = 3
SPANS = 50
"""In one request, which is one trace."""
BETWEEN_KILLS = 6
"""Requests, so that each kill meets some under way."""
CONTROL = "switchgear.processes.control"
ALL = Window(project="default", since_ns=0, until_ns=2**62)


class Senders:
    """Send traces until told to stop, each with the same bytes until they are acknowledged, as SDKs do."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._next = 0
        self._stopping = False
        self.acknowledged: list[str] = []
        self.refused: Counter[str] = Counter()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send())

    def stop(self) -> None:
        """Let every sender bring its trace to the end."""
        self._stopping = True

    async def _send(self) -> None:
        while not self._stopping:
            self._next += 1
            spans = [told(self._next, n, parent_id=f"{1:016x}" if n > 1 else "") for n in range(1, SPANS + 1)]
            body = otlp_protobuf.write(spans)
            while (answer := await asyncio.to_thread(self._try, body)) != "200":
                self.refused[answer] += 1
                await asyncio.sleep(0.02)
            self.acknowledged.append(spans[0].trace_id)

    def _try(self, body: bytes) -> str:
        try:
            status, _, answer = post(self._server, "/v1/traces", body, {"content-type": PROTOBUF})
        except (OSError, http.client.HTTPException):
            return "no answer"
        assert not answer or status != 200, answer
        return str(status)


async def kill_control(server: LiveServer, senders: Senders) -> None:
    """When some traces were taken since the last time; back when others are taken again."""
    await taken(senders, len(senders.acknowledged) + BETWEEN_KILLS)
    (control,) = server.child_pids(CONTROL)
    os.kill(control, signal.SIGKILL)
    # What was under way may have been answered all the same.
    await taken(senders, len(senders.acknowledged) + SENDERS + 1)
    assert server.child_pids(CONTROL) not in ([], [control])


async def taken(senders: Senders, traces: int) -> None:
    while len(senders.acknowledged) < traces:
        await asyncio.sleep(0.005)


async def kept(directory: Path) -> tuple[dict[str, int], int, int]:
    """Spans of each trace as its summary has them; all of them one by one, and as the rollups have them."""
    store = SqliteSpans(directory / "switchgear-data" / "traces.db")
    await store.start()
    traces: dict[str, int] = {}
    after, count = "", 0
    try:
        while True:
            page = await store.find(Find(window=ALL, of="traces", limit=1_000, after=after))
            traces |= {row.trace_id: row.span_count for row in page.traces}
            if not (after := page.after):
                break
        while True:
            page = await store.find(Find(window=ALL, limit=10_000, after=after))
            count += len({(row.trace_id, row.span_id) for row in page.spans})
            if not (after := page.after):
                break
        (summed,) = await store.aggregate(Aggregate(window=ALL, measures=(Measure(reduction="count"),)))
    finally:
        await store.aclose()
    return traces, count, int(summed.measures[0] or 0)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
async def test_each_span_is_kept_once_although_the_control_process_is_killed_again_and_again(
    tmp_path: Path, kills: int
) -> None:
    with LiveServer(tmp_path) as server:
        senders = Senders(server)
        running = asyncio.get_running_loop().create_task(senders.run())
        for _ in range(kills):
            await kill_control(server, senders)
        senders.stop()
        await running
        server.stop()
    traces, count, summed = await kept(tmp_path)
    assert sum(senders.refused.values()) >= kills
    assert traces == dict.fromkeys(senders.acknowledged, SPANS)
    assert count == summed == len(senders.acknowledged) * SPANS
    assert set(senders.refused) <= {"no answer", "503"}
