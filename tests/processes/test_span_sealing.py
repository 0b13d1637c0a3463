"""Closed traces are sealed after the hours that the configuration names."""

from pathlib import Path

import pytest

from switchgear.app.span_export import folder_of
from switchgear.app.spans import open_sqlite
from switchgear.config.loading import parse
from switchgear.kernel.clock import FrozenClock
from switchgear.processes.span_sealing import SpanSealing
from switchgear.testing.trace_store_samples import BEGIN_NS, sample
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.export.positions import KeptPosition

DAY_NS = 86_400_000_000_000


@pytest.mark.parametrize(("hours", "sealed"), [(48, 1), (72, 0), (0, 0)])
async def test_a_trace_is_sealed_when_nothing_came_for_some_hours(tmp_path: Path, hours: int, sealed: int) -> None:
    config = parse(
        f"providers: {{sim: {{kind: simulator}}}}\ntraces: {{seal_after_hours: {hours}}}", "switchgear.yaml", {}
    )
    clock = FrozenClock()
    store = await open_sqlite(tmp_path / "traces.db")
    try:
        sealing = SpanSealing(store, lambda: config, ExportCounts(), clock)
        await store.write([sample(1, 1)])
        assert await sealing.turn() == 0
        clock.advance(51 * 3600)
        await store.write([sample(2, 2)])
        assert await sealing.turn() == sealed
        assert len(list((tmp_path / "traces.sealed").rglob("*.core.parquet"))) == sealed
    finally:
        await store.aclose()


async def test_what_began_on_a_day_is_sealed_when_the_day_is_over_or_there_is_enough_of_it(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "traces.db")
    try:
        await store.write([sample(n, n) for n in range(1, 4)])
        await store.write([sample(9, 9, project="q"), sample(8, 8, started_ns=BEGIN_NS + DAY_NS)])
        noon_ns = BEGIN_NS + DAY_NS // 2
        assert await store.seal(noon_ns, noon_ns, fewest=4) == 0
        assert await store.seal(noon_ns, noon_ns, fewest=3) == 3
        assert await store.seal(BEGIN_NS + DAY_NS, BEGIN_NS + DAY_NS, fewest=4) == 1
        assert await store.seal(BEGIN_NS + 2 * DAY_NS, BEGIN_NS + 2 * DAY_NS, fewest=4) == 1
        late_ns = BEGIN_NS + 3 * DAY_NS
        await store.write([sample(1, 100)])
        assert await store.seal(late_ns, late_ns, fewest=101) == 0
        assert await store.seal(late_ns + 1, late_ns + 1, fewest=50) == 2
        assert len(list(tmp_path.rglob("*.core.parquet"))) == 4
    finally:
        await store.aclose()


async def test_what_a_collector_is_still_to_have_is_not_sealed_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "traces.db")
    text = f"""
providers: {{sim: {{kind: simulator}}}}
traces:
  path: {path}
  seal_after_hours: 24
  export: {{near: {{endpoint: "http://a"}}, far: {{endpoint: "http://b"}}, new: {{endpoint: "http://c"}}}}
"""
    config = [parse(text, "switchgear.yaml", {})]
    clock, counts = FrozenClock(), ExportCounts()
    near, far, _ = (KeptPosition(folder_of(path), name) for name in config[0].traces.export)
    near.make_room()
    store = await open_sqlite(Path(path))
    try:
        sealing = SpanSealing(store, lambda: config[0], counts, clock)
        await store.write([sample(1, 1)])
        await store.write([sample(2, 2, started_ns=BEGIN_NS - DAY_NS), sample(2, 3, started_ns=BEGIN_NS - DAY_NS)])
        await store.write([sample(3, 4, started_ns=BEGIN_NS - 2 * DAY_NS)])
        near.commit(4)
        far.commit(2)
        assert await sealing.turn() == 0
        clock.advance(26 * 3600)
        assert await sealing.turn() == 1
        assert "3 spans" not in caplog.text
        assert "2 spans are old enough to be sealed, and wait in the tables for the collector far" in caplog.text
        assert 'switchgear_span_export_unsealed{collector="far"} 2\n' in counts.exposition()
        assert (await store.arrived(2, 10, 1_000_000)).spans != ()
        far.commit(3)
        assert await sealing.turn() == 2
        (tmp_path / "traces.db.exports" / "far.json").write_text("broken")
        assert await sealing.turn() == 0
        await store.write([sample(4, 5, started_ns=BEGIN_NS - 3 * DAY_NS)])
        config[0] = parse(text.replace("far", "other"), "switchgear.yaml", {})
        near.commit(4)
        assert await sealing.turn() == 1
        assert 'switchgear_span_export_unsealed{collector="far"} 0\n' in counts.exposition()
    finally:
        await store.aclose()
