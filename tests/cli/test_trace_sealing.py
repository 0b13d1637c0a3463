"""``switchgear traces seal``: on demand, and never under a process that has the store open."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchgear.app.span_export import folder_of
from switchgear.app.spans import open_sqlite
from switchgear.cli import application
from switchgear.testing.trace_store_samples import sample
from switchgear.traces.export.positions import KeptPosition


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "switchgear.yaml"
    path.write_text(f"providers: {{sim: {{kind: simulator}}}}\ntraces:\n  path: {tmp_path / 'traces.db'}\n")
    return path


def seal(config: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(application(), ["traces", "seal", "--config", str(config), *more])
    return result.exit_code, result.output + result.stderr


def test_traces_are_sealed_on_demand_and_what_is_open_is_left_alone(tmp_path: Path, config: Path) -> None:
    async def fill() -> None:
        store = await open_sqlite(tmp_path / "traces.db")
        try:
            await store.write([sample(1, 1), sample(2, 2)])
            status, told = await asyncio.to_thread(seal, config)
            assert status == 1
            assert "is open" in told
        finally:
            await store.aclose()

    status, told = seal(config)
    assert (status, "is not there" in told) == (1, True)
    asyncio.run(fill())
    assert seal(config, "--before", "2001-01-01") == (0, "0 spans were sealed\n")
    assert seal(config) == (0, "2 spans were sealed\n")
    assert len(list((tmp_path / "traces.sealed").rglob("*.core.parquet"))) == 1
    assert seal(config, "--before", "yesterday")[0] != 0


def test_what_a_collector_is_still_to_have_stays_until_it_is_no_longer_declared(tmp_path: Path, config: Path) -> None:
    async def fill() -> None:
        store = await open_sqlite(tmp_path / "traces.db")
        try:
            await store.write([sample(1, 1), sample(2, 2)])
        finally:
            await store.aclose()

    asyncio.run(fill())
    far = KeptPosition(folder_of(str(tmp_path / "traces.db")), "far")
    far.make_room()
    far.commit(1)
    before = config.read_text()
    config.write_text(before + "  export: {far: {endpoint: 'http://collector'}}\n")
    told = "1 wait for the collector far to take them, or to be taken out of traces.export\n"
    assert seal(config) == (0, "1 spans were sealed\n" + told)
    config.write_text(before)
    assert seal(config) == (0, "1 spans were sealed\n")
