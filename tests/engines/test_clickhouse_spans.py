"""The trace store on ClickHouse: the contract, and what is its own.

They run against the server that SWITCHGEAR_TEST_CLICKHOUSE_URL names (``http://USER:PASSWORD@HOST:PORT``), else against
ClickHouse's engine as ``scripts/clickhouse`` sets it up.
"""

import asyncio
import re
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from switchgear.engines.clickhouse_address import ClickHouseAddress, read_origin
from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.rows import line_of
from switchgear.engines.clickhouse_spans.schema import bring_forward
from switchgear.engines.clickhouse_spans.store import ClickHouseSpans
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import Clock, FrozenClock, SystemClock
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.ports import Arrived, TraceStore
from switchgear.kernel.query import Aggregate, Compare, Doomed, Find, Said
from switchgear.kernel.span import Span
from switchgear.kernel.upstream import Origin, Target, Timers, Transport, Upload, UpstreamReply
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.testing.trace_store_contract import Opener, TraceStoreContract, found_ids, traces_of
from switchgear.testing.trace_store_model import PlainTraces
from switchgear.testing.trace_store_samples import BEGIN_NS, aggregates, finds, sample, spans_of_traces
from switchgear.traces.export.collector import Collector
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.export.exporter import POLL_SECONDS, Exporter, Order
from switchgear.upstream.client import HttpTransport
from switchgear.wire import otlp_protobuf
from tests.conftest import url_of

ROOT: Final = Path(__file__).resolve().parents[2]
PASSWORD: Final = "open sesame"
MONTH_NS: Final = 31 * 86_400 * 10**9
DRAWN: Final = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ClickHouseAddress]:
    """A server's database ``default``; the test is skipped, by name, where there is none."""
    named = url_of("clickhouse")
    if named:
        parts = urlsplit(named)
        origin = read_origin(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
        user, password = unquote(parts.username or "default"), unquote(parts.password or "")
        yield ClickHouseAddress(origin=origin, database="default", user=user, password=password)
        return
    where = subprocess.run([str(ROOT / "scripts/clickhouse"), "--where"], capture_output=True, text=True, check=False)
    if where.returncode:
        pytest.skip("needs SWITCHGEAR_TEST_CLICKHOUSE_URL, or the ClickHouse that scripts/clickhouse sets up")
    front = ROOT / "tests/e2e/sdks/clickhouse_front.py"
    command = [where.stdout.strip(), str(front), str(tmp_path_factory.mktemp("clickhouse"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        origin = Origin(scheme="http", host="127.0.0.1", port=port)
        yield ClickHouseAddress(origin=origin, database="default", password=PASSWORD)
        process.stdin.close()


@asynccontextmanager
async def database_of(server: ClickHouseAddress) -> AsyncGenerator[tuple[HttpTransport, ClickHouseAddress]]:
    """An empty database of its own."""
    transport = HttpTransport()
    name = f"switchgear_test_{secret_hex(6)}"
    above = Link(transport, server)
    await above.rows(f"CREATE DATABASE {name}")
    try:
        yield transport, replace(server, database=name)
    finally:
        await above.rows(f"DROP DATABASE {name}")
        await transport.aclose()


@asynccontextmanager
async def opened(server: ClickHouseAddress, clock: Clock | None = None) -> AsyncGenerator[ClickHouseSpans]:
    async with database_of(server) as (transport, address):
        store = ClickHouseSpans(transport, address, clock or SystemClock())
        await store.start()
        try:
            yield store
        finally:
            await store.aclose()


class SlowWriter:
    """A transport whose INSERTs wait to be let go."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.waits = asyncio.Event()
        self.may_go = asyncio.Event()

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        if "INSERT+INTO+spans+" in target.path:
            self.waits.set()
            await self.may_go.wait()
        return await self._transport.send(target, body, timers, extra_headers)

    async def aclose(self) -> None:
        """The transport is another's."""


async def arrivals(store: ClickHouseSpans, after: int = 0, most: int = 10, most_bytes: int = 10**6) -> Arrived:
    return await store.arrived(after, most, most_bytes)


def ids(arrived: Arrived) -> list[str]:
    return [span.span_id.lstrip("0") for span in arrived.spans]


@pytest.mark.long
@pytest.mark.timeout(600)
class TestClickHouseSpans(TraceStoreContract):
    @pytest.fixture
    def opener(self, server: ClickHouseAddress) -> Opener:
        @asynccontextmanager
        async def fresh() -> AsyncGenerator[TraceStore]:
            async with opened(server) as store:
                yield store

        return fresh


async def test_drawn_questions_are_answered_as_if_each_span_had_been_looked_at(server: ClickHouseAddress) -> None:
    """What the contract draws much more of, so that all SQL is run where there is no time for that."""

    @settings(DRAWN, max_examples=4, derandomize=True)
    @given(
        st.lists(spans_of_traces(), min_size=2, max_size=2),
        st.lists(finds(), min_size=6, max_size=6),
        st.lists(aggregates(), min_size=4, max_size=4),
    )
    def check(batches: list[list[Span]], lists: list[Find], sums: list[Aggregate]) -> None:
        asyncio.run(compare(batches, lists, sums))

    async def compare(batches: list[list[Span]], lists: list[Find], sums: list[Aggregate]) -> None:
        model = PlainTraces()
        async with opened(server) as store:
            for replace, batch in zip((False, True), batches, strict=True):
                model.write(batch, replace=replace)
                await store.write(batch, replace=replace)
            for question in lists:
                found = await store.find(question)
                assert (list(found.spans), list(found.traces)) == model.found(question)
            for asked in sums:
                assert await store.aggregate(asked) == model.aggregated(asked)

    await asyncio.to_thread(check)


@pytest.mark.long
@pytest.mark.parametrize("later_ns", [1, MONTH_NS])
async def test_a_span_that_is_replaced_at_another_start_is_there_once(server: ClickHouseAddress, later_ns: int) -> None:
    async with opened(server) as store:
        first = sample(1, 1, user="before")
        moved = sample(1, 1, user="after", started_ns=BEGIN_NS + later_ns)
        await store.write([first])
        for span in (moved, first, moved):
            assert await store.write([span], replace=True) == 0
            assert await store.read("p", span.trace_id, [span.span_id]) == [span]
            assert [row.span_count for row in await traces_of(store)] == [1]
            assert await found_ids(store, Compare(field="user", value=span.user)) == [span.span_id]


@pytest.mark.long
@pytest.mark.parametrize("text", ["a'b", 'a"b', "a\\b", "a\nb\r\tc", "a\0b", "{p0:String}", "größe 🦊", "%_?&=+", "["])
async def test_every_text_is_found_as_it_was_written(server: ClickHouseAddress, text: str) -> None:
    async with opened(server) as store:
        span = sample(1, 1, span_id=text, user=text, tags=(text,), metadata={text: text})
        await store.write([span, sample(1, 2)])
        assert await found_ids(store, Compare(field="user", value=text)) == [text]
        assert await store.read("p", span.trace_id, [text]) == [span]
        assert await store.write([span]) == 0


@pytest.mark.long
async def test_numbers_that_msgpack_has_no_room_for_become_text(server: ClickHouseAddress) -> None:
    async with opened(server) as store:
        span = sample(1, 1, attributes={"huge": [2**70]})
        await store.write([span])
        (kept,) = await store.read("p", span.trace_id, [span.span_id])
        assert kept.attributes == {"huge": [str(2**70)]}


async def test_spans_are_told_of_in_the_order_in_which_they_arrived(server: ClickHouseAddress) -> None:
    clock = FrozenClock()
    async with opened(server, clock) as store:
        await store.write([sample(1, 3), sample(2, 2)])
        await store.write([sample(1, 1, project="q")])
        assert (await arrivals(store)).behind == 0
        clock.advance(2.1)
        whole = await arrivals(store)
        assert ids(whole) == ["3", "2", "1"]
        assert whole.spans[0] == sample(1, 3)
        assert whole.behind == 0
        for few in (await arrivals(store, most=1), await arrivals(store, most_bytes=1)):
            assert (ids(few), few.behind) == (["3"], 2)
            assert ids(await arrivals(store, few.position)) == ["2", "1"]
        none = await arrivals(store, most=0)
        assert ids(none) == ids(await arrivals(store, none.newest)) == []
        assert (await arrivals(store, 2**62)).position == none.newest


@pytest.mark.long
async def test_a_span_that_replaces_has_arrived_anew_and_one_that_was_deleted_is_passed_over(
    server: ClickHouseAddress,
) -> None:
    clock = FrozenClock()
    async with opened(server, clock) as store:
        await store.write([sample(trace, trace) for trace in (1, 2, 3)])
        await store.write([sample(1, 1, name="other")])
        await store.write([sample(1, 1, started_ns=BEGIN_NS)], replace=True)
        await store.delete(Doomed(project="p", trace_ids=(f"{2:032x}",)))
        clock.advance(2.1)
        assert ids(await arrivals(store)) == ["3", "1"]


@pytest.mark.long
async def test_what_another_process_began_to_write_earlier_and_wrote_later_is_not_missed(
    server: ClickHouseAddress,
) -> None:
    clock = FrozenClock()
    async with database_of(server) as (transport, address):
        slow = SlowWriter(transport)
        late, store = ClickHouseSpans(slow, address, clock), ClickHouseSpans(transport, address, clock)
        await store.start()
        writing = asyncio.create_task(late.write([sample(1, 1)]))
        await slow.waits.wait()
        clock.advance(1.9)
        await store.write([sample(1, 2)])
        before = await arrivals(store)
        slow.may_go.set()
        await writing
        clock.advance(2.1)
        assert ids(before) == []
        assert ids(await arrivals(store, before.position)) == ["1", "2"]
        await late.aclose()
        await store.aclose()


@pytest.mark.long
async def test_nothing_is_told_of_behind_what_is_being_written_however_long_it_takes(server: ClickHouseAddress) -> None:
    clock = FrozenClock()
    async with database_of(server) as (transport, address):
        slow = SlowWriter(transport)
        store, other = ClickHouseSpans(slow, address, clock), ClickHouseSpans(transport, address, clock)
        await store.start()
        writing = asyncio.create_task(store.write([sample(1, 1)]))
        await slow.waits.wait()
        clock.advance(200)
        await other.write([sample(1, 2)])
        clock.advance(4)
        before = await arrivals(store)
        slow.may_go.set()
        await writing
        assert ids(before) == []
        assert ids(await arrivals(store, before.position)) == ["1", "2"]
        await store.aclose()
        await other.aclose()


@pytest.mark.long
async def test_a_collector_gets_what_arrives(server: ClickHouseAddress, tmp_path: Path) -> None:
    came: list[str] = []

    async def taken(peer: Peer) -> None:
        _, body = await peer.request()
        came.extend(span.span_id.lstrip("0") for span in otlp_protobuf.read(body).spans)
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    clock, transport, counts = FrozenClock(), HttpTransport(), ExportCounts()
    async with opened(server, clock) as store, ScriptedUpstream(taken) as upstream:
        collector = Collector(transport, f"http://{upstream.origin.authority}/in", (), compressed=False)
        order = Order(name="far", wants=lambda span: span.project == "p", with_content=True)
        exporter = Exporter(store, collector, order, tmp_path, counts.of("far"), clock)
        assert await exporter.turn() == POLL_SECONDS
        await store.write([sample(1, 1), sample(1, 2, project="q"), sample(1, 3)])
        clock.advance(2.1)
        assert await exporter.turn() == POLL_SECONDS
        assert await exporter.turn() == POLL_SECONDS
    await transport.aclose()
    assert came == ["1", "3"]
    assert (counts.of("far").sent, counts.of("far").waiting) == (2, 0)


async def test_a_trace_with_a_circle_is_noted_until_it_is_deleted_and_no_other_is(server: ClickHouseAddress) -> None:
    async with database_of(server) as (transport, address):
        link, store = Link(transport, address), ClickHouseSpans(transport, address, SystemClock())
        await store.start()
        used = Usage(input=1)
        for trace in (1, 2):
            for n, above in ((1, 2), (2, 3), (3, 4), (4, 1 if trace == 1 else 9)):
                await store.write([sample(trace, n, kind="llm", usage=used, parent_id=f"{above:016x}")])
        await store.write([sample(3, n, kind="llm", usage=used, parent_id=f"{3 - n:016x}") for n in (1, 2)])
        noted = "SELECT trace_id FROM circles ORDER BY trace_id"
        assert [row[0] for row in await link.rows(noted)] == [f"{1:032x}", f"{3:032x}"]
        assert [row.input_tokens for row in await traces_of(store)] == [1, 1, 1]
        await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}",)))
        assert [row[0] for row in await link.rows(noted)] == [f"{3:032x}"]
        assert await store.projects() == ["p"]
        await store.aclose()


async def test_the_statement_of_the_docs_names_circles_that_were_written_before_there_was_their_table(
    server: ClickHouseAddress,
) -> None:
    (statement,) = re.findall("`(INSERT INTO circles [^`]*)`", (ROOT / "docs/trace-store.md").read_text())
    async with database_of(server) as (transport, address):
        link, store = Link(transport, address), ClickHouseSpans(transport, address, SystemClock())
        await store.start()
        for n in (1, 2, 3):
            above = f"{n % 3 + 1:016x}"
            await store.write([sample(1, n, kind="llm", usage=Usage(input=1), parent_id=above), sample(2, n)])
        await link.rows("TRUNCATE TABLE circles")
        assert [row.input_tokens for row in await traces_of(store)] == [0, 0]
        await link.rows(statement)
        assert [row.input_tokens for row in await traces_of(store)] == [0, 1]
        assert await link.rows("SELECT trace_id FROM circles") == [[f"{1:032x}"]]
        await store.aclose()


async def test_tables_of_an_older_version_are_brought_forward(server: ClickHouseAddress) -> None:
    async with database_of(server) as (transport, address):
        link = Link(transport, address)
        await bring_forward(link, to=1)
        row = json.decode(line_of(sample(1, 1, name="door"), version=1, arrived_ns=1))
        older = {name: row[name] for name in row if name not in ("arrived", "whole_bytes")}
        names = ", ".join(f'"{name}"' for name in older)
        await link.insert(f"INSERT INTO spans ({names}) FORMAT JSONEachRow", json.encode(older))
        store = ClickHouseSpans(transport, address, SystemClock())
        await store.write([sample(1, 2, name="door")])
        assert await found_ids(store, Said(text="door")) == [f"{2:016x}", f"{1:016x}"]
        assert [row.span_count for row in await traces_of(store)] == [2]
        assert await store.read("p", f"{1:032x}", [f"{1:016x}"]) == [sample(1, 1, name="door")]
        await store.aclose()


@pytest.mark.long
async def test_tables_of_a_newer_version_are_refused(server: ClickHouseAddress) -> None:
    async with database_of(server) as (transport, address):
        link = Link(transport, address)
        await bring_forward(link)
        await bring_forward(link)
        await link.insert("INSERT INTO spans_schema FORMAT JSONEachRow", b'{"version": 999}')
        with pytest.raises(OSError, match="version 999"):
            await ClickHouseSpans(transport, address, SystemClock()).start()


@pytest.mark.long
async def test_a_database_that_comes_later_is_used_as_soon_as_it_is_there(server: ClickHouseAddress) -> None:
    transport = HttpTransport()
    above, name = Link(transport, server), f"switchgear_test_{secret_hex(6)}"
    store = ClickHouseSpans(transport, replace(server, database=name), SystemClock())
    with pytest.raises(OSError, match=name):
        await store.start()
    await above.rows(f"CREATE DATABASE {name}")
    assert await store.write([sample(1, 1)]) == 1
    await store.aclose()
    await above.rows(f"DROP DATABASE {name}")
    await transport.aclose()


@pytest.mark.long
async def test_a_wrong_password_is_an_error_that_does_not_tell_it(server: ClickHouseAddress) -> None:
    transport = HttpTransport()
    with pytest.raises(PermissionError) as raised:
        await ClickHouseSpans(transport, replace(server, password="wrong guess"), SystemClock()).start()
    assert "wrong guess" not in str(raised.value)
    await transport.aclose()
