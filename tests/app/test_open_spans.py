"""Which store of spans is opened."""

import sys
from pathlib import Path

import pytest

from switchgear.app.asker import asker_of
from switchgear.app.spans import log_beside, named_store, open_spans, span_work
from switchgear.auth.model import key_ring
from switchgear.config.model import Config
from switchgear.config.secret import Secret
from switchgear.config.traces import ClickHouseEntry, GrpcEntry, Traces
from switchgear.engines.logged_spans import SpanLog
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.clock import FrozenClock, SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.query import Doomed
from switchgear.testing.trace_store_samples import sample
from switchgear.upstream.client import HttpTransport


async def test_a_server_that_is_away_keeps_nobody_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transport = HttpTransport()
    away = ClickHouseEntry(url="http://127.0.0.1:1", password=Secret("open sesame"))
    settings = Traces(path=str(tmp_path / "traces.db"), clickhouse=away)
    store = await open_spans(settings, named_store(settings, transport, SystemClock()))
    assert "http://127.0.0.1:1/switchgear" in caplog.text
    assert "sesame" not in caplog.text
    await store.write([sample(1, 1)])
    with pytest.raises(OSError, match="ClickHouse cannot be asked"):
        await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}",)))
    with pytest.raises(OSError, match="ClickHouse cannot be asked"):
        await store.write([sample(2, 2)])
    await store.aclose()
    await transport.aclose()
    (waiting,) = SpanLog(log_beside(settings.path)).open()
    assert sample(1, 1).span_id.encode() in waiting.data


async def test_without_a_server_spans_are_in_the_file(tmp_path: Path) -> None:
    transport = HttpTransport()
    settings = Traces(path=str(tmp_path / "traces.db"))
    kept = named_store(settings, transport, SystemClock())
    assert isinstance(kept, SqliteSpans)
    store = await open_spans(settings, kept)
    await store.write([sample(1, 1)])
    assert len(await store.read("p", f"{1:032x}", [f"{1:016x}"])) == 1
    await store.aclose()
    await transport.aclose()


async def test_a_declared_door_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "switchgear.traces.doors.otlp_grpc", None)
    config = Config(traces=Traces(path=str(tmp_path / "traces.db"), grpc=GrpcEntry(port=0)))
    ring = key_ring((), allow_anonymous_loopback=True)
    transport = HttpTransport()
    with pytest.raises(ConfigError, match=r"traces\.grpc: grpcio is not installed; pip install 'switchgear\[grpc\]'"):
        await span_work(lambda: config, lambda: ring, asker_of, FrozenClock(), transport)
    await transport.aclose()
