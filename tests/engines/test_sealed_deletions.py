"""Files of sealed spans keep nothing that was deleted, whatever happened to its trace before."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.making import Closed, Place
from switchgear.kernel.query import Doomed, Find, Window
from switchgear.kernel.span import Content, Span
from switchgear.testing.trace_store_contract import ALL
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

GONE = Doomed(project="p", user="gone")


class InTheMiddle(SealedSpans):
    """Has something happen between the reading of traces and the change of sides."""

    happens: Callable[[], None] | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stopping = threading.Event()

    def stop(self) -> None:
        super().stop()
        self.stopping.set()

    def write(self, place: Place, traces: Sequence[Closed]) -> str:
        name = super().write(place, traces)
        if (happens := self.happens) is not None:
            self.happens = None
            happens()
        return name


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteSpans]:
    opened = SqliteSpans(tmp_path / "traces.db", InTheMiddle(tmp_path / "traces.sealed"))
    await opened.start()
    yield opened
    await opened.aclose()


def spans() -> list[Span]:
    """One to be deleted among others that stay."""
    said = Content(parts=(b'"a zebra"',))
    return [sample(1, 1, user="gone", input=said), *(sample(n, n, input=said) for n in range(2, 9) if n % 2 == 0)]


def users_in_files(folder: Path) -> list[str]:
    """All that the files hold, whether it is read there or not."""
    files = [str(path) for path in folder.rglob("*.core.parquet")]
    if not files:
        return []
    with duckdb.connect() as connection:
        told = connection.execute("SELECT DISTINCT user FROM read_parquet(?) s WHERE s.user IS NOT NULL", [files])
        return [user for (user,) in told.fetchall()]


async def test_what_came_back_and_was_then_deleted_is_not_left_in_files(tmp_path: Path, store: SqliteSpans) -> None:
    await store.write(spans())
    assert await store.seal(1, 1) == 5
    assert users_in_files(tmp_path) == ["gone"]
    await store.write([sample(1, 100, started_ns=7)])
    assert await store.delete(GONE) == 2
    await store.seal(2, 2)
    assert users_in_files(tmp_path) == []


async def test_what_came_back_and_was_sealed_again_is_deleted_from_both_files(
    tmp_path: Path, store: SqliteSpans
) -> None:
    await store.write(spans())
    await store.seal(1, 1)
    await store.write([sample(1, 100, user="also")])
    await store.seal(2, 2)
    assert sorted(users_in_files(tmp_path)) == ["also", "gone"]
    assert await store.delete(GONE) == 2
    await store.seal(3, 3)
    assert users_in_files(tmp_path) == []


@pytest.mark.parametrize("renewed", [False, True])
async def test_what_is_deleted_while_its_file_is_written_is_not_left_there(
    tmp_path: Path, store: SqliteSpans, *, renewed: bool
) -> None:
    await store.write(spans())
    if renewed:
        await store.seal(1, 1)
        await store.delete(Doomed(project="p", trace_ids=(f"{4:032x}",)))
    segments = store._segments
    assert isinstance(segments, InTheMiddle)
    writer = store._writer
    assert writer is not None
    deleted: list[int | None] = []
    segments.happens = lambda: deleted.append(writer.delete(GONE).result())
    await store.seal(2, 2)
    assert deleted == [1]
    await store.seal(3, 3)
    assert users_in_files(tmp_path) == []


async def test_a_number_is_never_given_again_whatever_was_deleted_before_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    positions: list[int] = []
    for _ in range(3):
        store = SqliteSpans(path)
        await store.start()
        position = (await store.arrived(0, 0, 0)).newest
        await store.write([sample(1, 1), sample(2, 2)])
        arrived = await store.arrived(position, 100, 1_000_000)
        assert len(arrived.spans) == 2
        positions.append(arrived.position)
        await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}", f"{2:032x}")))
        await store.aclose()
    assert positions == [2, 4, 6]


async def test_a_store_that_is_closed_while_it_seals_gives_that_up_and_loses_nothing(tmp_path: Path) -> None:
    path, segments = tmp_path / "traces.db", InTheMiddle(tmp_path / "traces.sealed")
    closing = SqliteSpans(path, segments)
    await closing.start()
    await closing.write(spans())
    begun, stopped = threading.Event(), threading.Event()

    def happens() -> None:
        begun.set()
        stopped.wait()

    segments.happens = happens
    sealing = asyncio.create_task(closing.seal(1, 1))
    await asyncio.to_thread(begun.wait)
    # A deletion does not wait for the files.
    assert await closing.delete(GONE) == 1
    ended = asyncio.create_task(closing.aclose())
    await asyncio.to_thread(segments.stopping.wait)
    stopped.set()
    await ended
    with pytest.raises(OSError, match="was stopped"):
        await sealing
    store = SqliteSpans(path, SealedSpans(tmp_path / "traces.sealed"))
    await store.start()
    assert await store.seal(2, 2) == 4
    assert users_in_files(tmp_path) == []
    await store.aclose()


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_file_that_is_broken_or_gone_holds_up_nothing_but_questions_about_it(
    tmp_path: Path, store: SqliteSpans, caplog: pytest.LogCaptureFixture, *, is_gone: bool
) -> None:
    await store.write(spans())
    await store.seal(1, 1)
    later = BEGIN_NS + 86_400_000_000_000
    await store.write([sample(50, 50, started_ns=later)])
    (core,) = tmp_path.rglob("*.core.parquet")
    core.write_bytes(b"not Parquet at all")
    if is_gone:
        core.unlink()
    # What comes late for a trace in it is left out; what is written with it is not.
    assert await store.write([sample(1, 100), sample(51, 51, started_ns=later)]) == 1
    assert f"1 spans of trace {1:032x} are left out" in caplog.text
    assert await store.seal(2, 2) == 2
    assert await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}",))) == 1
    assert await store.seal(3, 3) == 0
    assert len((await store.find(Find(window=Window(project="p", since_ns=later, until_ns=2**62)))).spans) == 2
    with pytest.raises(OSError, match="sealed spans"):
        await store.find(Find(window=ALL))
    # And it goes when its time has come.
    assert await store.delete(Doomed(project="p", before_ns=later)) == 4
    assert len((await store.find(Find(window=ALL))).spans) == 2
    assert len(list(tmp_path.rglob("*.payload.parquet"))) == 1
