"""The files of what is sealed are made by a process of its own, which may die, be stopped or not be needed at all."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from switchgear.app.spans import open_sqlite
from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.making import Made, Making, Turn
from switchgear.kernel.query import Doomed, Find, Said, Window
from switchgear.kernel.span import Content, Span
from switchgear.processes.sealer_process import SealerProcess
from switchgear.testing.trace_store_contract import ALL
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

DAY_NS = 86_400_000_000_000


class Watched(SealerProcess):
    """Has something happen when a process has told of its first segment, and knows all that were started."""

    def __init__(self, path: Path, most_seconds: float = 60.0) -> None:
        super().__init__(path, most_seconds)
        self.pids: list[int] = []
        self.priorities: list[int] = []
        self.happens: Callable[[int], None] | None = None

    def made(self, turn: Turn) -> Generator[Made]:
        self.pids.append(0)
        for made in super().made(turn):
            assert self._process is not None
            self.pids[-1] = self._process.pid
            self.priorities.append(os.getpriority(os.PRIO_PROCESS, self._process.pid))
            happens, self.happens = self.happens, None
            if happens is not None:
                happens(self._process.pid)
            yield made


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteSpans]:
    opened = await open_sqlite(tmp_path / "traces.db")
    yield opened
    await opened.aclose()


def spans(days: int = 3) -> list[Span]:
    """Of so many days, each of which makes a segment."""
    said = Content(parts=(b'"a word"', b'"another"'))
    return [
        sample(n, n, input=said, started_ns=BEGIN_NS + n % days * DAY_NS, user=f"u{n}", attributes={"b": b"\1"})
        for n in range(30)
    ]


async def told(store: SqliteSpans) -> tuple[object, ...]:
    """What lists, words and whole spans say."""
    found = await store.find(Find(window=ALL, limit=100))
    whole = [await store.read("p", row.trace_id, [row.span_id]) for row in found.spans]
    return found, whole, await store.find(Find(window=ALL, where=Said(text="word"), limit=100))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*.*") if path.is_file())


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_another_process_makes_is_sealed_and_nothing_shows_of_it(tmp_path: Path, store: SqliteSpans) -> None:
    maker = Watched(tmp_path / "traces.db")
    await store.write(spans())
    before = await told(store)
    assert await store.seal(1, 1, maker=maker) == 30
    assert await told(store) == before
    assert len(files(tmp_path / "traces.sealed")) == 9
    assert maker.priorities == [19, 19, 19]
    assert not any(is_there(pid) for pid in maker.pids)
    await store.delete(Doomed(project="p", user="u3"))
    assert await store.seal(2, 2, maker=maker) == 0
    assert len(maker.pids) == 2
    assert len((await store.find(Find(window=ALL, limit=100))).spans) == 29
    assert len(files(tmp_path / "traces.sealed")) == 9


async def test_no_process_is_started_while_there_is_nothing_to_seal(tmp_path: Path, store: SqliteSpans) -> None:
    maker = Watched(tmp_path / "traces.db")
    noon_ns = BEGIN_NS + DAY_NS // 2
    assert await store.seal(1, 1, maker=maker) == 0
    await store.write(spans(1))
    assert await store.seal(noon_ns, noon_ns, fewest=31, maker=maker) == 0
    assert await store.seal(noon_ns + 1, 0, maker=maker) == 0
    assert maker.pids == []
    assert await store.seal(noon_ns + 2, noon_ns + 2, fewest=30, maker=maker) == 30
    assert await store.seal(noon_ns + 3, noon_ns + 3, fewest=30, maker=maker) == 0
    assert len(maker.pids) == 1


async def test_a_process_that_is_killed_fails_its_turn_and_the_next_one_goes_on(
    tmp_path: Path, store: SqliteSpans
) -> None:
    maker = Watched(tmp_path / "traces.db")
    await store.write(spans())
    before = await told(store)
    maker.happens = lambda pid: os.kill(pid, 9)
    with pytest.raises(OSError, match="ended with status -9"):
        await store.seal(1, 1, maker=maker)
    assert await told(store) == before
    assert len(files(tmp_path / "traces.sealed")) == 3
    assert await store.seal(2, 2, maker=maker) == 20
    assert await told(store) == before
    assert len(files(tmp_path / "traces.sealed")) == 9


async def test_a_process_that_says_nothing_for_too_long_is_ended(tmp_path: Path, store: SqliteSpans) -> None:
    maker = Watched(tmp_path / "traces.db", most_seconds=0.0)
    await store.write(spans())
    with pytest.raises(TimeoutError, match="was not written within"):
        await store.seal(1, 1, maker=maker)
    assert await store.seal(2, 2) == 30


async def test_a_store_that_is_closed_stops_the_process_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    closing, maker = await open_sqlite(path), Watched(path)
    await closing.write(spans())
    begun, stopped = threading.Event(), threading.Event()

    def happens(_: int) -> None:
        begun.set()
        stopped.wait()

    maker.happens = happens
    sealing = asyncio.create_task(closing.seal(1, 1, maker=maker))
    await asyncio.to_thread(begun.wait)
    ended = asyncio.create_task(closing.aclose())
    await asyncio.to_thread(maker._stopping.wait)
    stopped.set()
    await ended
    with pytest.raises(OSError, match="was stopped"):
        await sealing
    assert not is_there(maker.pids[0])
    store = await open_sqlite(path)
    try:
        assert await store.seal(2, 2, maker=Watched(path)) == 30
        assert len((await store.find(Find(window=ALL, limit=100))).spans) == 30
    finally:
        await store.aclose()


async def test_what_the_process_cannot_do_is_told_as_if_it_had_happened_here(
    tmp_path: Path, store: SqliteSpans
) -> None:
    await store.write(spans())
    (tmp_path / "traces.sealed").write_text("no folder")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        await store.seal(1, 1, maker=Watched(tmp_path / "traces.db"))
    (tmp_path / "traces.sealed").unlink()
    assert await store.seal(2, 2) == 30


async def test_nothing_is_sealed_where_little_of_the_disk_is_free(tmp_path: Path, store: SqliteSpans) -> None:
    path = tmp_path / "traces.db"
    await store.write(spans())
    segments = SealedSpans(tmp_path / "traces.sealed")
    with pytest.raises(OSError, match="of the disk are free"):
        await store.seal(1, 1, maker=Making(path, segments, reserve_bytes=2**70))
    segments.close()
    assert files(tmp_path) == []
    assert len((await store.find(Find(window=Window(project="p", since_ns=0, until_ns=2**62), limit=100))).spans) == 30
