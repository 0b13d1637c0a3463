"""Closed traces are sealed after the hours that the configuration names."""

from pathlib import Path

import pytest

from switchgear.app.spans import open_sqlite
from switchgear.config.loading import parse
from switchgear.kernel.clock import FrozenClock
from switchgear.processes.span_sealing import SpanSealing
from switchgear.testing.trace_store_samples import sample


@pytest.mark.parametrize(("hours", "sealed"), [(48, 1), (72, 0), (0, 0)])
async def test_a_trace_is_sealed_when_nothing_came_for_some_hours(tmp_path: Path, hours: int, sealed: int) -> None:
    config = parse(
        f"providers: {{sim: {{kind: simulator}}}}\ntraces: {{seal_after_hours: {hours}}}", "switchgear.yaml", {}
    )
    clock = FrozenClock()
    store = await open_sqlite(tmp_path / "traces.db")
    try:
        sealing = SpanSealing(store, lambda: config, clock)
        await store.write([sample(1, 1)])
        assert await sealing.turn() == 0
        clock.advance(49 * 3600)
        await store.write([sample(2, 2)])
        assert await sealing.turn() == sealed
        assert len(list((tmp_path / "traces.sealed").rglob("*.core.parquet"))) == sealed
    finally:
        await store.aclose()
