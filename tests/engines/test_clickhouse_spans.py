"""The trace store on ClickHouse: the contract, and what is its own.

They run against the server that SWITCHGEAR_TEST_CLICKHOUSE_URL names (``http://USER:PASSWORD@HOST:PORT``), else against
ClickHouse's engine as ``scripts/clickhouse`` sets it up.
"""

import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
from msgspec.structs import replace

from switchgear.engines.clickhouse_address import ClickHouseAddress, read_origin
from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.clickhouse_spans.schema import bring_forward
from switchgear.engines.clickhouse_spans.store import ClickHouseSpans
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Compare
from switchgear.kernel.upstream import Origin
from switchgear.testing.trace_store_contract import Opener, TraceStoreContract, found_ids, traces_of
from switchgear.testing.trace_store_samples import BEGIN_NS, sample
from switchgear.upstream.client import HttpTransport
from tests.conftest import url_of

ROOT: Final = Path(__file__).resolve().parents[2]
PASSWORD: Final = "open sesame"
MONTH_NS: Final = 31 * 86_400 * 10**9


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
async def opened(server: ClickHouseAddress) -> AsyncGenerator[ClickHouseSpans]:
    async with database_of(server) as (transport, address):
        store = ClickHouseSpans(transport, address)
        await store.start()
        try:
            yield store
        finally:
            await store.aclose()


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


@pytest.mark.long
async def test_tables_of_a_newer_version_are_refused(server: ClickHouseAddress) -> None:
    async with database_of(server) as (transport, address):
        link = Link(transport, address)
        await bring_forward(link)
        await bring_forward(link)
        await link.insert("INSERT INTO spans_schema FORMAT JSONEachRow", b'{"version": 999}')
        with pytest.raises(OSError, match="version 999"):
            await ClickHouseSpans(transport, address).start()


@pytest.mark.long
async def test_a_database_that_comes_later_is_used_as_soon_as_it_is_there(server: ClickHouseAddress) -> None:
    transport = HttpTransport()
    above, name = Link(transport, server), f"switchgear_test_{secret_hex(6)}"
    store = ClickHouseSpans(transport, replace(server, database=name))
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
        await ClickHouseSpans(transport, replace(server, password="wrong guess")).start()
    assert "wrong guess" not in str(raised.value)
    await transport.aclose()


async def test_a_server_that_cannot_be_reached_is_an_error_of_the_store() -> None:
    transport = HttpTransport()
    nobody = ClickHouseAddress(origin=Origin(scheme="http", host="127.0.0.1", port=1), database="d", password="secret")
    store = ClickHouseSpans(transport, nobody)
    with pytest.raises(OSError, match="cannot be asked"):
        await store.start()
    with pytest.raises(OSError, match="cannot be asked"):
        await store.write([sample(1, 1)])
    await store.aclose()
    await transport.aclose()
    assert "secret" not in f"{nobody} {nobody!r}"


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse",
        "ftp://host",
        "http://",
        "http://host:0",
        "http://u:secret@host",
        "http://host/path",
        "http://h?a=secret",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_origin(url)
    assert "secret" not in raised.value.message


def test_ports_are_those_of_the_http_interface() -> None:
    assert read_origin("http://host").port == 8123
    assert read_origin("https://host/").port == 8443
