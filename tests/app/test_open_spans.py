"""Which store of spans is opened."""

from pathlib import Path

import pytest

from switchgear.app.spans import open_spans
from switchgear.config.secret import Secret
from switchgear.config.traces import ClickHouseEntry, Traces
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.testing.trace_store_samples import sample
from switchgear.upstream.client import HttpTransport


async def test_a_server_that_is_away_keeps_nobody_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transport = HttpTransport()
    away = ClickHouseEntry(url="http://127.0.0.1:1", password=Secret("open sesame"))
    store = await open_spans(Traces(path=str(tmp_path / "traces.db"), clickhouse=away), transport)
    assert "http://127.0.0.1:1/switchgear" in caplog.text
    assert "sesame" not in caplog.text
    with pytest.raises(OSError, match="ClickHouse cannot be asked"):
        await store.write([sample(1, 1)])
    await store.aclose()
    await transport.aclose()
    assert not list(tmp_path.iterdir())


async def test_without_a_server_spans_are_in_the_file(tmp_path: Path) -> None:
    transport = HttpTransport()
    store = await open_spans(Traces(path=str(tmp_path / "traces.db")), transport)
    assert isinstance(store, SqliteSpans)
    await store.aclose()
    await transport.aclose()
