"""A control process that seals is killed at each of its steps, and told to stop: the next one goes on where it was."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from switchgear.app.spans import open_sqlite
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.query import Aggregate, Find, Measure, Said, Window
from switchgear.kernel.span import Content
from switchgear.testing.trace_store_samples import sample
from tests.e2e.live import CONFIG, DATABASE, LiveServer

CONTROL = "switchgear.processes.control"
STORE = DATABASE.with_name("traces.db")
SPANS = 12_000
HOUR_NS = 3_600_000_000_000
ALL = Window(project="default", since_ns=0, until_ns=2**62)
HOURLY = f"{CONFIG}\ntraces: {{{{seal_after_hours: 1, keep_days: 36500}}}}\n"


async def fill(directory: Path) -> None:
    """Spans of some days, to whose traces nothing was written for three hours."""
    store = await open_sqlite(directory / STORE)
    day_ns = 24 * HOUR_NS
    spans = [
        sample(
            n // 10,
            n,
            project="default",
            started_ns=1_700_000_000_000_000_000 + n // 4_000 * day_ns + n,
            input=Content(parts=(f'"the {n}th of them"'.encode(),)),
        )
        for n in range(SPANS)
    ]
    try:
        for at in range(0, SPANS, 2_000):
            await store.write(spans[at : at + 2_000])
        assert await store.seal(SystemClock().wall_ns() - 3 * HOUR_NS, 0) == 0
    finally:
        await store.aclose()


def sealed_traces(directory: Path) -> int:
    with closing(sqlite3.connect(f"file:{directory / STORE}?mode=ro", uri=True, timeout=20)) as connection:
        return int(connection.execute("SELECT count(*) FROM sealed WHERE state = 'here'").fetchone()[0])


def files(directory: Path, ending: str) -> list[Path]:
    return list((directory / STORE.with_suffix(".sealed")).rglob(f"*{ending}"))


async def kill_when(server: LiveServer, has_come: Callable[[], bool]) -> None:
    """Back when there is another one."""
    (control,) = await the_control(server)
    while not has_come():
        await asyncio.sleep(0.002)
    os.kill(control, signal.SIGKILL)
    while server.child_pids(CONTROL) in ([], [control]):
        await asyncio.sleep(0.01)


async def the_control(server: LiveServer) -> list[int]:
    while not (found := server.child_pids(CONTROL)):
        await asyncio.sleep(0.01)
    return found


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_control_process_that_is_killed_or_stopped_while_it_seals_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    await fill(tmp_path)
    with LiveServer(tmp_path, HOURLY) as server:
        await kill_when(server, lambda: files(tmp_path, ".unfinished") != [])
        await kill_when(server, lambda: files(tmp_path, ".words.db") != [])
        await kill_when(server, lambda: sealed_traces(tmp_path) > 0)
        so_far = sealed_traces(tmp_path)
        while sealed_traces(tmp_path) == so_far:
            await asyncio.sleep(0.002)
        assert server.stop() == 0
    with LiveServer(tmp_path, HOURLY) as server:
        while sealed_traces(tmp_path) < SPANS // 10:
            await asyncio.sleep(0.01)
        assert server.stop() == 0
    store = await open_sqlite(tmp_path / STORE)
    try:
        page = await store.find(Find(window=ALL, limit=10_000))
        rest = await store.find(Find(window=ALL, limit=10_000, after=page.after))
        assert len({row.span_id for row in (*page.spans, *rest.spans)}) == SPANS == len(page.spans) + len(rest.spans)
        (count,) = await store.aggregate(Aggregate(window=ALL, measures=(Measure(reduction="count"),)))
        assert count.measures == (SPANS,)
        assert len((await store.find(Find(window=ALL, where=Said(text="7777th them")))).spans) == 1
    finally:
        await store.aclose()
    # What was killed while it was written is gone.
    assert sum(path.is_file() for path in files(tmp_path, "")) == 3 * len(files(tmp_path, ".core.parquet"))
