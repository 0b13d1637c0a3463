"""Addresses of ClickHouse: what is read of them, and where nobody answers. No server is needed."""

import pytest

from switchgear.engines.clickhouse_address import ClickHouseAddress, read_origin
from switchgear.engines.clickhouse_spans.store import ClickHouseSpans
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Origin
from switchgear.testing.trace_store_samples import sample
from switchgear.upstream.client import HttpTransport


async def test_a_server_that_cannot_be_reached_is_an_error_of_the_store() -> None:
    transport = HttpTransport()
    nobody = ClickHouseAddress(origin=Origin(scheme="http", host="127.0.0.1", port=1), database="d", password="secret")
    store = ClickHouseSpans(transport, nobody, SystemClock())
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
