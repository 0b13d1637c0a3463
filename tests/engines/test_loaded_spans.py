"""Spans that are sealed at once: as if they had been written, and sealed then."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec import structs

from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.gathering import gathered
from switchgear.engines.sqlite_spans.making import Closed, Place
from switchgear.kernel.chat import Usage
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Aggregate, Doomed, Find, Measure, Said, Tagged
from switchgear.kernel.span import Content, Span
from switchgear.testing.trace_store_contract import ALL, Opener, TraceStoreContract
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

DAY_NS = 86_400_000_000_000


class LoadsAtOnce(SqliteSpans):
    """Loads whatever is written."""

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        return await super().write(spans, replace=True) if replace else await self.load(spans, 1)


class WritesMeanwhile(SealedSpans):
    """Somebody else writes before the first files do."""

    def __init__(self, folder: Path, somebody: Callable[[], Awaitable[object]]) -> None:
        super().__init__(folder)
        self._loop = asyncio.get_running_loop()
        self._waiting = [somebody]

    def write(self, place: Place, traces: Sequence[Closed]) -> str:
        while self._waiting:
            asyncio.run_coroutine_threadsafe(_awaited(self._waiting.pop()), self._loop).result()
        return super().write(place, traces)


class Stopped(Exception):
    """Stands for a kill."""


class StopsLoading(SealedSpans):
    """Stops when the files are whole."""

    def write(self, place: Place, traces: Sequence[Closed]) -> str:
        super().write(place, traces)
        raise Stopped


async def _awaited(somebody: Callable[[], Awaitable[object]]) -> None:
    await somebody()


@asynccontextmanager
async def opened(folder: Path, kind: type[SqliteSpans] = SqliteSpans) -> AsyncGenerator[SqliteSpans]:
    async with started(kind(folder / "traces.db", SealedSpans(folder / "traces.sealed"))) as store:
        yield store


@asynccontextmanager
async def started(store: SqliteSpans) -> AsyncGenerator[SqliteSpans]:
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


class TestEverythingLoaded(TraceStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        @asynccontextmanager
        async def fresh() -> AsyncGenerator[TraceStore]:
            with TemporaryDirectory(dir=tmp_path) as folder:
                async with opened(Path(folder), LoadsAtOnce) as store:
                    yield store

        return fresh

    @pytest.mark.long
    async def test_every_list_is_as_if_each_span_had_been_looked_at(self, opener: Opener) -> None:
        await super().test_every_list_is_as_if_each_span_had_been_looked_at(opener)

    @pytest.mark.long
    async def test_every_aggregate_is_as_if_each_span_had_been_looked_at(self, opener: Opener) -> None:
        await super().test_every_aggregate_is_as_if_each_span_had_been_looked_at(opener)


async def told(store: SqliteSpans) -> tuple[object, ...]:
    """Everything that lists, sums and facets say."""
    spans = await store.find(Find(window=ALL, limit=10_000))
    whole = [(await store.read(ALL.project, row.trace_id, [row.span_id])) for row in spans.spans[::10]]
    sums = Aggregate(
        window=ALL,
        by=("model", "status"),
        bucket="minute",
        measures=(
            Measure(reduction="count"),
            Measure(reduction="sum", field="cost_nano_usd"),
            Measure(reduction="quantile", field="duration_ns", q=0.9, approximate=True),
        ),
    )
    return (
        spans,
        whole,
        await store.find(Find(window=ALL, of="traces", limit=10_000)),
        await store.find(Find(window=ALL, where=Said(text="zebra"), limit=10_000)),
        await store.find(Find(window=ALL, where=Tagged(name="odd"), of="traces", limit=10_000)),
        await store.aggregate(sums),
        await store.aggregate(structs.replace(sums, bucket=None, measures=sums.measures[:1], by=("user",))),
    )


def traces_of(count: int) -> Iterator[Span]:
    """Two spans each, a call in a call, over two days; those of a trace do not come one after the other."""
    for number in range(count):
        for place in (0, 1):
            yield sample(
                number,
                2 * number + place,
                parent_id="" if place == 0 else f"{2 * number:016x}",
                kind="llm",
                model=f"m{number % 3}",
                usage=Usage(input=10 + number, output=1),
                cost_nano_usd=number,
                status="error" if number % 5 == 0 else "ok",
                user=f"u{number % 4}",
                tags=("odd",) if number % 2 else (),
                metadata={"n": str(number)},
                attributes={"bytes": b"\1", "n": number},
                input=Content(parts=(b'"a zebra"' if number % 7 == 0 else b'"a horse"',), preview="a"),
                started_ns=BEGIN_NS + (number + 4 * place) * 2 * DAY_NS // count,
            )


async def test_what_is_loaded_is_as_if_it_had_been_written_and_sealed(tmp_path: Path) -> None:
    spans = sorted(traces_of(20), key=lambda span: span.started_ns)
    async with opened(tmp_path / "written") as written, opened(tmp_path / "loaded") as loaded:
        await written.write(spans)
        assert await written.seal(1, 1) == 40
        assert await loaded.load(iter(spans), 1) == 40
        assert await told(loaded) == await told(written)
        for store in (written, loaded):
            assert await store.load(spans, 2) == 0
            assert await store.write([structs.replace(spans[0], model="other")], replace=True) == 0
            assert await store.delete(Doomed(project="p", user="u1")) == 10
            assert await store.seal(3, 3) == 30
        assert await told(loaded) == await told(written)


async def test_a_trace_that_somebody_writes_to_meanwhile_has_all_its_spans(tmp_path: Path) -> None:
    spans = list(traces_of(6))
    store: SqliteSpans

    async def somebody() -> None:
        late = [structs.replace(spans[0], span_id="f" * 16), sample(99, 999)]
        assert await store.write(late) == 2
        with pytest.raises(OverflowError):
            # What is undone takes back all numbers that nobody used yet.
            await store.write([structs.replace(spans[1], started_ns=2**70)])
        assert await store.write([sample(98, 998)]) == 1

    store = SqliteSpans(tmp_path / "traces.db", WritesMeanwhile(tmp_path / "traces.sealed", somebody))
    async with started(store):
        assert await store.load(spans, 1) == 12
        await store.write([sample(97, 997)])
        found = await store.find(Find(window=ALL, limit=100))
        assert len(found.spans) == len({(row.trace_id, row.span_id) for row in found.spans}) == 16
        traces = await store.find(Find(window=ALL, of="traces", limit=100))
        assert sorted(row.span_count for row in traces.traces) == [1, 1, 1, 2, 2, 2, 2, 2, 3]


async def test_a_kill_while_loading_leaves_nothing_and_loading_again_all(tmp_path: Path) -> None:
    spans = list(traces_of(6))
    async with started(SqliteSpans(tmp_path / "traces.db", StopsLoading(tmp_path / "traces.sealed"))) as store:
        with pytest.raises(Stopped):
            await store.load(spans, 1)
        assert (await store.find(Find(window=ALL))).spans == ()
    async with opened(tmp_path) as store:
        assert await store.load(spans, 2) == 12
        await store.seal(3, 3)
        assert len(list(tmp_path.rglob("*.core.parquet"))) == 2
        assert len((await store.find(Find(window=ALL))).spans) == 12


def test_traces_of_a_day_are_gathered_as_many_as_a_segment_takes() -> None:
    spans = sorted(traces_of(300), key=lambda span: span.started_ns)
    portions = list(gathered(iter(spans), 200))
    sizes = [sum(map(len, traces.values())) for traces in portions]
    assert sum(sizes) == 600
    assert max(sizes) == 200
    names = [name for traces in portions for name in traces]
    assert len(names) == len(set(names)) == 300
    for traces in portions:
        assert len({min(span.started_ns for span in trace.values()) // DAY_NS for trace in traces.values()}) == 1


async def test_without_duckdb_nothing_is_loaded(tmp_path: Path) -> None:
    async with started(SqliteSpans(tmp_path / "traces.db")) as store:
        with pytest.raises(OSError, match="DuckDB"):
            await store.load([sample(1, 1)], 1)
