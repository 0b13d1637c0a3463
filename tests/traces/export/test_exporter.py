"""Spans go to a collector: a real server on loopback that does what a script says, and a real store."""

import gzip
import logging
import ssl
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.query import Doomed
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.export.address import address
from switchgear.traces.export.collector import Collector
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.export.exporter import FIRST_PAUSE_SECONDS, POLL_SECONDS, Exporter, Order
from switchgear.upstream.client import HttpTransport
from switchgear.upstream.tls import client_context
from switchgear.wire import otlp_protobuf
from tests.traces.spans import kept

SECRET = "a-secret-nobody-may-see"
PARTIAL = ExportTraceServiceResponse()
PARTIAL.partial_success.rejected_spans = 1
PARTIAL.partial_success.error_message = "one was too old"


class Taker:
    """A collector: answers each request with the next status and body, then 200; keeps what came."""

    def __init__(self, *answers: str, poison: str = "", said: bytes = b"") -> None:
        self.answers = list(answers)
        self.poison = poison
        self.said = said
        self.heads: list[str] = []
        self.batches: list[list[str]] = []
        self.server = ScriptedUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while True:
            try:
                head, body = await peer.request()
            except (EOFError, OSError, AssertionError):
                return
            self.heads.append(head.decode())
            read = otlp_protobuf.read(gzip.decompress(body) if b"gzip" in head else body)
            ids = [span.span_id.lstrip("0") for span in read.spans]
            self.batches.append(ids)
            status = self.answers.pop(0) if self.answers else "200 OK"
            status = "400 Bad Request" if self.poison in ids else status
            said = self.said or SECRET.encode()
            await peer.send(f"HTTP/1.1 {status}\r\ncontent-length: {len(said)}\r\n\r\n".encode() + said)


@cache
def tls() -> ssl.SSLContext:
    return client_context()


class Stand:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SqliteSpans(folder / "traces.db")
        self.transport = HttpTransport(tls=tls())
        self.clock = FrozenClock()
        self.counts = ExportCounts()

    def exporter(self, taker: Taker, *projects: str, compressed: bool = True) -> Exporter:
        endpoint = f"http://{taker.server.origin.authority}/in"
        collector = Collector(self.transport, endpoint, (("x-key", SECRET),), compressed=compressed)
        order = Order(name="far", wants=lambda span: not projects or span.project in projects, with_content=True)
        folder = self.folder / "exports"
        return Exporter(self.store, collector, order, folder, self.counts.of("far"), self.clock)

    async def start_again(self) -> None:
        await self.store.aclose()
        self.store = SqliteSpans(self.folder / "traces.db")
        await self.store.start()

    @property
    def counted(self) -> tuple[int, int, int]:
        told = self.counts.of("far")
        return told.sent, told.dropped, told.failed


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncGenerator[Stand]:
    made = Stand(tmp_path)
    await made.store.start()
    yield made
    await made.transport.aclose()
    await made.store.aclose()


async def test_what_arrives_goes_out_in_its_order_and_what_was_there_before_does_not(stand: Stand) -> None:
    taker = Taker()
    async with taker.server:
        await stand.store.write([kept(1)])
        exporter = stand.exporter(taker)
        assert await exporter.turn() == POLL_SECONDS
        await stand.store.write([kept(3, 2), kept(2)])
        await stand.store.write([kept(4, started_ns=1_600_000_000_000_000_000)])
        assert await exporter.turn() == POLL_SECONDS
        await exporter.turn()
    assert taker.batches == [["3", "2", "4"]]
    assert taker.heads[0].startswith("POST /in HTTP/1.1\r\n")
    for line in ("content-type: application/x-protobuf", "content-encoding: gzip", f"x-key: {SECRET}"):
        assert line in taker.heads[0]
    assert stand.counted == (3, 0, 0)


async def test_another_process_goes_on_where_the_last_one_stood(stand: Stand) -> None:
    taker = Taker()
    async with taker.server:
        exporter = stand.exporter(taker, compressed=False)
        await exporter.turn()
        await stand.store.write([kept(1)])
        stand.clock.advance(2)
        await exporter.turn()
        await stand.store.write([kept(2)])
        await stand.exporter(taker).turn()
    assert taker.batches == [["1"], ["2"]]


async def test_a_span_that_takes_anothers_place_goes_out_again_also_after_a_restart(stand: Stand) -> None:
    taker = Taker()
    async with taker.server:
        exporter = stand.exporter(taker)
        await exporter.turn()
        await stand.store.write([kept(1)])
        stand.clock.advance(2)
        await exporter.turn()
        await stand.start_again()
        await stand.store.write([kept(1, name="better")], replace=True)
        await stand.exporter(taker).turn()
    assert taker.batches == [["1"], ["1"]]


async def test_after_the_newest_spans_are_deleted_the_next_ones_still_go_out(stand: Stand) -> None:
    taker = Taker()
    async with taker.server:
        exporter = stand.exporter(taker)
        await exporter.turn()
        await stand.store.write([kept(1), kept(2)])
        await exporter.turn()
        await stand.store.delete(Doomed(project="shop", trace_ids=(f"{1:032x}",)))
        stand.clock.advance(2)
        await exporter.turn()
        await stand.start_again()
        await stand.store.write([kept(3)])
        await stand.exporter(taker).turn()
    assert taker.batches == [["1", "2"], ["3"]]


async def test_only_the_projects_that_are_wanted_go_out(stand: Stand) -> None:
    taker = Taker()
    async with taker.server:
        exporter = stand.exporter(taker, "shop")
        await exporter.turn()
        await stand.store.write([kept(1, project="other"), kept(2)])
        await exporter.turn()
        await stand.store.write([kept(3, project="other")])
        await exporter.turn()
    assert taker.batches == [["2"]]


@pytest.mark.parametrize("status", ["429 Slow", "502 Bad", "503 Busy", "504 Late", "401 Who", "404 Where", "307 There"])
async def test_while_the_collector_is_busy_or_wrongly_declared_spans_wait_in_the_store(
    stand: Stand, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker(status, f"{status}\r\nretry-after: 40")
    async with taker.server:
        exporter = stand.exporter(taker)
        await exporter.turn()
        await stand.store.write([kept(1)])
        assert await exporter.turn() == FIRST_PAUSE_SECONDS
        assert stand.counts.of("far").waiting == 1
        again = await exporter.turn()
        assert again == (40 if status[0:3] in {"429", "502", "503", "504"} else 2 * FIRST_PAUSE_SECONDS)
        assert await exporter.turn() == POLL_SECONDS
    assert taker.batches == [["1"]] * 3
    assert stand.counted == (1, 0, 2)
    assert stand.counts.of("far").waiting == 0
    assert SECRET not in caplog.text


async def test_nobody_at_the_address_is_waited_for(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    taker = Taker()
    async with taker.server:
        exporter = stand.exporter(taker)
    await exporter.turn()
    await stand.store.write([kept(1)])
    stand.clock.advance(30)
    assert await exporter.turn() == FIRST_PAUSE_SECONDS
    assert await exporter.turn() == 2 * FIRST_PAUSE_SECONDS
    assert stand.counted == (0, 0, 2)
    assert stand.counts.of("far").lag_seconds == 30
    assert caplog.text.count("spans wait for the collector far") == 1
    assert SECRET not in caplog.text


async def test_of_a_batch_that_is_refused_only_the_span_at_fault_is_dropped(stand: Stand) -> None:
    taker = Taker(poison="3")
    async with taker.server:
        exporter = stand.exporter(taker)
        await exporter.turn()
        await stand.store.write([kept(number) for number in range(1, 6)])
        while await exporter.turn() != POLL_SECONDS:
            pass
    taken = [each for batch in taker.batches if "3" not in batch for each in batch]
    assert taken == ["1", "2", "4", "5"]
    assert taker.batches[-1] != ["3"]
    assert stand.counted[:2] == (4, 1)


async def test_what_a_partial_success_rejects_is_counted_and_told(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker(said=PARTIAL.SerializeToString())
    with caplog.at_level(logging.WARNING):
        async with taker.server:
            exporter = stand.exporter(taker)
            await exporter.turn()
            await stand.store.write([kept(1), kept(2)])
            assert await exporter.turn() == POLL_SECONDS
    assert stand.counted == (1, 1, 0)
    assert "one was too old" in caplog.text


async def test_a_batch_that_breaks_the_collector_is_tried_again_and_then_taken_apart(stand: Stand) -> None:
    taker = Taker(*["500 Oops"] * 6)
    async with taker.server:
        exporter = stand.exporter(taker)
        await exporter.turn()
        await stand.store.write([kept(1), kept(2)])
        pauses = [await exporter.turn() for _ in range(5)]
        while await exporter.turn() != POLL_SECONDS:
            pass
    assert pauses == [1, 2, 4, 8, 0]
    assert taker.batches == [["1", "2"]] * 5 + [["1"], ["2"]]
    assert stand.counted[:2] == (1, 1)


async def test_counts_are_told_by_collector(stand: Stand) -> None:
    assert stand.counts.exposition() == ""
    stand.counts.of("far").sent = 7
    told = stand.counts.exposition()
    assert 'switchgear_span_export_sent_total{collector="far"} 7\n' in told
    assert 'switchgear_span_export_lag_seconds{collector="far"} 0\n' in told


def test_an_address_without_a_path_is_the_protocols_own() -> None:
    assert address("http://collector:4318").path == "/v1/traces"
    assert address("https://c.example.com/otlp?x=1").path == "/otlp?x=1"
    with pytest.raises(ConfigError):
        address("grpc://collector:4317")


async def test_arrivals_are_bounded_by_number_and_by_size_but_one_always_comes(stand: Stand) -> None:
    store = stand.store
    await store.write([kept(1, attributes={"large": "x" * 50_000}), kept(2), kept(3)])
    first = await store.arrived(0, 10, 10_000)
    assert ([span.span_id[-1] for span in first.spans], first.position, first.behind) == (["1"], 1, 2)
    assert (await store.arrived(0, 0, 0)).newest == 3
    rest = await store.arrived(first.position, 10, 10_000)
    assert [span.span_id[-1] for span in rest.spans] == ["2", "3"]
    assert [span.span_id[-1] for span in (await store.arrived(0, 2, 1_000_000)).spans] == ["1", "2"]
    assert (await store.arrived(99, 10, 10_000)).position == 3
    assert await store.read("shop", f"{1:032x}", [f"{1:016x}"]) == list(first.spans)
