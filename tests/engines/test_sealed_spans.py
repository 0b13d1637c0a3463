"""Sealed spans: the contract with everything sealed, and with half of it."""

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import pytest
from msgspec import json

from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.making import Closed, Filed, Place
from switchgear.engines.sqlite_spans.sealing import Sealing
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Measure, Said, Window
from switchgear.kernel.span import Content, Span
from switchgear.testing.trace_store_contract import ALL, Opener, TraceStoreContract, found_ids
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

COUNT: Final = Measure(reduction="count")


class SealsAtOnce(SqliteSpans):
    """Seals everything after each write, or after every other one."""

    def __init__(self, path: Path, segments: SealedSpans, every: int) -> None:
        super().__init__(path, segments)
        self._every = every
        self._writes = 0

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        count = await super().write(spans, replace=replace)
        self._writes += 1
        if self._writes % self._every == 0:
            await self.seal(self._writes, self._writes)
        return count


@asynccontextmanager
async def opened(folder: Path, every: int = 1) -> AsyncGenerator[SealsAtOnce]:
    segments = SealedSpans(folder / "traces.sealed")
    store = SealsAtOnce(folder / "traces.db", segments, every)
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


class _Contract(TraceStoreContract):
    every = 1

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        @asynccontextmanager
        async def fresh() -> AsyncGenerator[TraceStore]:
            with TemporaryDirectory(dir=tmp_path) as folder:
                async with opened(Path(folder), self.every) as store:
                    yield store

        return fresh


class TestEverythingSealed(_Contract):
    @pytest.mark.long
    async def test_every_list_is_as_if_each_span_had_been_looked_at(self, opener: Opener) -> None:
        await super().test_every_list_is_as_if_each_span_had_been_looked_at(opener)

    @pytest.mark.long
    async def test_every_aggregate_is_as_if_each_span_had_been_looked_at(self, opener: Opener) -> None:
        await super().test_every_aggregate_is_as_if_each_span_had_been_looked_at(opener)


@pytest.mark.long
class TestHalfSealed(_Contract):
    every = 2


class Stopped(Exception):
    """Stands for a kill."""


class StopsWriting(SealedSpans):
    """Stops before the files have their names, or behind it."""

    def __init__(self, folder: Path, *, before: bool) -> None:
        super().__init__(folder)
        self._before = before

    def write(self, place: Place, traces: Sequence[Closed]) -> str:
        name = super().write(place, traces)
        if self._before:
            for path in (self.folder / name).parent.iterdir():
                path.rename(f"{path}.unfinished")
        raise Stopped


class StopsSealing(Sealing):
    """Stops when some traces have changed sides."""

    changes = 0

    def _change_sides(self, place: Place, traces: Sequence[Filed]) -> int:
        if self.changes == 0:
            raise Stopped
        self.changes -= 1
        return super()._change_sides(place, traces)


async def listed(store: SqliteSpans) -> tuple[object, ...]:
    """Everything that lists and sums say."""
    spans = await store.find(Find(window=ALL, limit=10_000))
    said = await store.find(Find(window=ALL, where=Said(text="word"), limit=10_000))
    whole = [await store.read("p", row.trace_id, [row.span_id]) for row in spans.spans[:3]]
    names = await store.aggregate(Aggregate(window=ALL, by=("span_id",), measures=(COUNT,), limit=10_000))
    return spans, said, whole, names, await store.find(Find(window=ALL, of="traces", limit=10_000))


def some_spans(count: int) -> list[Span]:
    said = Content(parts=(b'"a word"', b'"another"'))
    return [sample(n // 2, n, input=said, attributes={"n": n, "bytes": b"\1"}, user=f"u{n % 3}") for n in range(count)]


@pytest.mark.parametrize("stop", ["unfinished files", "files without a name", "no trace", "some traces"])
async def test_wherever_sealing_is_stopped_nothing_is_lost_or_doubled(tmp_path: Path, stop: str) -> None:
    spans = some_spans(300)
    folder = tmp_path / "traces.sealed"
    early = stop in {"unfinished files", "files without a name"}
    segments = StopsWriting(folder, before=stop == "unfinished files") if early else SealedSpans(folder)
    store = SqliteSpans(tmp_path / "traces.db", segments)
    await store.start()
    await store.write(spans)
    before = await listed(store)
    if not early:
        assert store._writer is not None
        store._sealing = StopsSealing(store._path, store._writer, segments)
        store._sealing.changes = 2 if stop == "some traces" else 0
    with pytest.raises(Stopped):
        await store.seal(1, 1)
    assert await listed(store) == before
    await store.aclose()
    async with opened(tmp_path) as again:
        assert await listed(again) == before
        assert await again.seal(2, 2) == (100 if stop == "some traces" else 300)
        assert await listed(again) == before
        assert await again.write(spans[:1]) == 0
        assert await listed(again) == before


async def test_only_traces_to_which_nothing_was_written_lately_are_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path, every=1000) as store:
        await store.write([sample(1, 1), sample(2, 2)])
        assert await store.seal(100, 99) == 0
        await store.write([sample(2, 3)])
        assert await store.seal(200, 150) == 1
        assert await store.seal(300, 250) == 2


async def test_numbers_of_sealed_spans_are_not_given_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(some_spans(10))
        before = await listed(store)
    async with opened(tmp_path, every=1000) as store:
        await store.write([sample(90, 90, name="late", started_ns=BEGIN_NS - 5)])
        await store.write([sample(0, 0, name="changed")], replace=True)
        assert len(await found_ids(store)) == 11
        assert len(await found_ids(store, Said(text="word"))) == 9
        await store.write(some_spans(1), replace=True)
        await store.delete(Doomed(project="p", trace_ids=(f"{90:032x}",)))
        assert await listed(store) == before


async def test_a_sealed_conversation_holds_each_message_once(tmp_path: Path) -> None:
    messages = [b'"message %d"' % n for n in range(50)]
    async with opened(tmp_path, every=1000) as store:
        await store.write([sample(1, n, input=Content(parts=tuple(messages[: n + 1]))) for n in range(50)])
        await store.seal(1, 1)
    (payload,) = tmp_path.rglob("*.payload.parquet")
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*), count(DISTINCT hash) FROM '{payload}'").fetchone() == (50, 50)


async def test_other_programs_can_read_what_is_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write([sample(1, 1, attributes={"city": "Ulm"}, model="m")])
    (core,) = tmp_path.rglob("*.core.parquet")
    assert core.parts[-3:-1] == ("p", "2023-11-14")
    with duckdb.connect() as connection:
        told = connection.execute(f"SELECT project, model, rest::JSON ->> '$.attributes.city' FROM '{core}'").fetchall()
    assert told == [("p", "m", "Ulm")]


async def test_files_lose_what_was_deleted_and_vanish_with_their_last_trace(tmp_path: Path) -> None:
    async with opened(tmp_path, every=1000) as store:
        said = Content(parts=(b'"zebra"',))
        await store.write([sample(1, 1, user="gone", input=said), sample(2, 2), sample(3, 3, started_ns=BEGIN_NS + 9)])
        await store.seal(1, 1)
        foreign = next(tmp_path.rglob("*.core.parquet")).with_name("notes.txt")
        foreign.write_text("not ours")
        assert await store.delete(Doomed(project="p", user="gone")) == 1
        await store.seal(2, 2)
        (payload,) = tmp_path.rglob("*.payload.parquet")
        with duckdb.connect() as connection:
            assert connection.execute(f"SELECT count(*) FROM '{payload}'").fetchone() == (0,)
        assert await found_ids(store, Said(text="zebra")) == []
        assert await store.delete(Doomed(project="p", before_ns=2**62)) == 2
        assert [path for path in (tmp_path / "traces.sealed").rglob("*") if path.is_file()] == [foreign]
        assert await listed(store) == (Found(), Found(), [], [], Found())


@pytest.mark.parametrize("why", ["sealed", "old"])
async def test_the_file_becomes_smaller_when_much_of_it_is_free(tmp_path: Path, why: str) -> None:
    path = tmp_path / "traces.db"
    async with opened(tmp_path, every=1000) as store:
        said = [Content(parts=(json.encode(f"{n} {sha256(b'%d' % n).hexdigest() * 40}"),)) for n in range(400)]
        await store.write([sample(n, n, input=said[n]) for n in range(400)])
        if why == "old":
            assert await store.delete(Doomed(project="p", before_ns=2**62)) == 400
        else:
            before = await listed(store)
            await store.seal(1, 1)
            assert await listed(store) == before
    with closing(sqlite3.connect(path)) as connection:
        used, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert free * 4 <= used


async def test_without_duckdb_what_is_sealed_is_refused_by_name_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as store:
        await store.write([sample(1, 1)])
    store = SqliteSpans(tmp_path / "traces.db")
    await store.start()
    try:
        late = BEGIN_NS + 10**12
        assert await store.write([sample(1, 2), sample(2, 3, started_ns=late)]) == 1
        assert "DuckDB" in caplog.text
        assert len((await store.find(Find(window=ALL, of="traces"))).traces) == 2
        later = Window(project="p", since_ns=late, until_ns=2**62)
        assert len((await store.find(Find(window=later))).spans) == 1
        for asked in (
            store.find(Find(window=ALL)),
            store.read("p", f"{1:032x}", [f"{1:016x}"]),
            store.delete(Doomed(project="p", user="anybody")),
        ):
            with pytest.raises(OSError, match="DuckDB"):
                await asked
        assert await store.delete(Doomed(project="p", before_ns=2**62)) == 1
    finally:
        await store.aclose()
