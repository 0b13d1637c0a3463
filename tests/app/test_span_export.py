"""Exporters start and stop as the configuration says, and none waits for another."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from switchgear.app.span_export import SpanExport, folder_of
from switchgear.config.model import Config
from switchgear.config.secret import Secret
from switchgear.config.traces import ExportEntry, Traces
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.offsets import FileOffsets
from switchgear.upstream.client import HttpTransport
from switchgear.wire import otlp_protobuf
from tests.memory_spans import MemorySpans
from tests.traces.spans import kept

TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Taker:
    """A collector that takes everything."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.came: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, peer: Peer) -> None:
        head, body = await peer.request()
        self.heads.append(head)
        await peer.send(TAKEN)
        for span in otlp_protobuf.read(body).spans:
            self.came.put_nowait(span.span_id.lstrip("0"))


def declared(path: Path, **export: ExportEntry) -> Config:
    return Config(traces=Traces(path=str(path), export=export))


async def test_a_collector_that_is_away_holds_up_no_other_and_one_declared_later_starts_then(tmp_path: Path) -> None:
    near, path = Taker(), tmp_path / "traces.db"
    store, counts = SqliteSpans(path), ExportCounts()
    transport = HttpTransport()
    await store.start()
    async with ScriptedUpstream(near) as upstream:
        entry = ExportEntry(
            endpoint=f"http://{upstream.origin.authority}", headers={"x-key": Secret("s3")}, gzip=False, projects=("a",)
        )
        away = ExportEntry(endpoint="http://127.0.0.1:1")
        # Both stood at the store's first span when they stopped.
        folder_of(str(path)).mkdir()
        for name in ("near", "away"):
            FileOffsets(folder_of(str(path)) / f"{name}.json").commit({"spans": 0})
        await store.write([kept(1, project="b"), kept(2, project="a")])
        config = declared(path, near=entry, away=away)
        export = SpanExport(store, lambda: config, transport, counts, FrozenClock())
        running = asyncio.create_task(export.run())
        async with asyncio.timeout(20):
            assert await near.came.get() == "2"
            while not counts.of("near").sent:
                await asyncio.sleep(0)
            config = structs.replace(config, traces=structs.replace(config.traces, export={"away": away}))
            await export.look()
            await store.write([kept(3, project="a")])
            config = declared(path, near=structs.replace(entry, projects=()), away=away)
            await export.look()
            assert await near.came.get() == "3"
        running.cancel()
        await asyncio.wait([running])
    await transport.aclose()
    await store.aclose()
    assert b"POST /v1/traces " in near.heads[0]
    assert b"x-key: s3" in near.heads[0]
    assert counts.of("away").sent == 0


async def test_a_store_that_cannot_be_followed_is_told_of_and_nothing_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = declared(tmp_path / "traces.db", far=ExportEntry(endpoint="http://127.0.0.1:1"))
    transport = HttpTransport()
    await SpanExport(MemorySpans(), lambda: config, transport, ExportCounts(), FrozenClock()).look()
    await transport.aclose()
    assert "cannot be followed" in caplog.text
