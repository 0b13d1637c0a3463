"""Pages of spans of which some are sealed and some are not: each is as if every span had been looked at."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import json, structs

from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sealed_spans.words import spans_that_say, write_words
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.query import Aggregate, Compare, Every, Filter, Find, Measure, Not, OneOf, Said, SpanRow
from switchgear.kernel.span import Content, Span
from switchgear.testing.trace_store_contract import ALL, found_ids
from switchgear.testing.trace_store_model import PlainTraces
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

DAY_NS: Final = 86_400_000_000_000
WORDS: Final = ("alpha", "beta", "gamma")


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[SqliteSpans]:
    store = SqliteSpans(folder / "traces.db", SealedSpans(folder / "traces.sealed"))
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


def told(number: int, trace: int, status: str, model: str, words: frozenset[str]) -> Span:
    """One of a day's, which no other has the previews of."""
    return sample(
        trace,
        number,
        started_ns=BEGIN_NS + trace % 3 * DAY_NS + number // 2,
        status=status,
        model=model,
        input=Content(parts=(json.encode(" ".join(sorted(words))),), preview=f"asked {number}"),
        output=Content(preview=f"answered {number}"),
    )


def some_batches() -> st.SearchStrategy[list[list[Span]]]:
    """Three; those that come late may be of the traces of earlier ones."""
    facts = st.tuples(
        st.integers(0, 11),
        st.sampled_from(("ok", "ok", "error", "unset")),
        st.sampled_from(("", "m", "m", "n")),
        st.frozensets(st.sampled_from(WORDS), max_size=2),
    )
    drawn = st.lists(st.tuples(st.integers(0, 2), facts), min_size=20, max_size=60)
    return drawn.map(
        lambda all_facts: [
            [told(number, *each) for number, (batch, each) in enumerate(all_facts) if batch == place]
            for place in range(3)
        ]
    )


def some_filters() -> st.SearchStrategy[Filter]:
    said = st.lists(st.sampled_from((*WORDS, "Alpha", "nobody")), min_size=1, max_size=2).map(" ".join)
    return st.one_of(
        st.builds(Compare, field=st.just("model"), op=st.sampled_from(("==", "!=")), value=st.sampled_from(("", "m"))),
        st.builds(Compare, field=st.just("status"), op=st.sampled_from(("==", "!=")), value=st.just("error")),
        st.builds(OneOf, field=st.just("model"), values=st.just(("m", "n"))),
        st.builds(Said, text=said),
        st.builds(Not, filter=st.builds(Said, text=said)),
    )


def some_questions() -> st.SearchStrategy[Find]:
    two = st.tuples(some_filters(), some_filters()).map(lambda filters: Every(filters=filters))
    return st.builds(
        Find, window=st.just(ALL), where=two, newest_first=st.booleans(), limit=st.sampled_from((1, 2, 5, 50))
    )


async def page_by_page(store: SqliteSpans, question: Find) -> list[SpanRow]:
    seen: list[SpanRow] = []
    while True:
        page = await store.find(question)
        seen += page.spans
        if not page.after:
            return seen
        assert len(page.spans) == question.limit
        question = structs.replace(question, after=page.after)


async def compared(folder: Path, batches: Sequence[list[Span]], questions: list[Find]) -> None:
    """All but the last batch are sealed, each by itself."""
    model = PlainTraces()
    async with opened(folder) as store:
        for turn, batch in enumerate(batches, 1):
            assert await store.write(batch) == model.write(batch, replace=False)
            if turn < len(batches):
                await store.seal(turn, turn)
        for question in questions:
            whole = Find(window=ALL, where=question.where, newest_first=question.newest_first, limit=1_000)
            assert await page_by_page(store, question) == model.found(whole)[0]


async def test_by_two_filters_each_span_stands_on_one_page_with_its_own_previews(tmp_path: Path) -> None:
    @settings(
        deadline=None,
        max_examples=8,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(some_batches(), st.lists(some_questions(), min_size=3, max_size=6))
    def check(batches: list[list[Span]], questions: list[Find]) -> None:
        with TemporaryDirectory(dir=tmp_path) as folder:
            asyncio.run(compared(Path(folder), batches, questions))

    await asyncio.to_thread(check)


async def test_failures_lie_together_in_a_file_and_stand_in_lists_in_the_order_of_time(tmp_path: Path) -> None:
    spans = [told(n, 0, "error" if n % 5 == 4 else "ok", "m", frozenset()) for n in range(20)]
    async with opened(tmp_path) as store:
        await store.write(spans)
        await store.seal(1, 1)
        page = await store.find(Find(window=ALL, limit=100, newest_first=False))
        assert [row.span_id for row in page.spans] == [span.span_id for span in spans]
    (core,) = tmp_path.rglob("*.core.parquet")
    with duckdb.connect() as connection:
        statuses = connection.execute(f"SELECT status FROM '{core}'").fetchall()
    assert statuses == [("error",)] * 4 + [("ok",)] * 16


async def test_spans_of_a_file_in_which_nobody_says_the_words_are_not_looked_at(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        said = frozenset({"alpha"}), frozenset({"beta"}), frozenset({"alpha", "beta"})
        await store.write([told(n, n, "ok", "m", said[n]) for n in range(3)])
        await store.seal(1, 1)
        for core in tmp_path.rglob("*.core.parquet"):
            if core.parent.name != "2023-11-16":
                core.unlink()
        both = Said(text="alpha beta")
        assert await found_ids(store, both) == [f"{2:016x}"]
        counted = Aggregate(window=ALL, where=Every(filters=(both, both)), measures=(Measure(reduction="count"),))
        assert [group.measures for group in await store.aggregate(counted)] == [(1,)]
        with pytest.raises(OSError, match="No"):
            await found_ids(store, Said(text="alpha"))


async def test_what_nobody_says_is_counted_as_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write([told(1, 1, "ok", "m", frozenset({"alpha"}))])
        await store.seal(1, 1)
        counted = Aggregate(window=ALL, where=Said(text="nobody"), measures=(Measure(reduction="count"),))
        assert [group.measures for group in await store.aggregate(counted)] == [(0,)]


def test_of_words_that_must_be_said_only_those_are_told_who_say_all(tmp_path: Path) -> None:
    path = tmp_path / "words.db"
    write_words(path, [(1, "alpha"), (2, "beta"), (3, "gamma")], [(1, 10), (1, 11), (2, 11), (2, 12), (3, 12)])
    assert spans_that_say(path, WORDS, {"alpha", "beta"}) == {"alpha": [11], "beta": [11], "gamma": [12]}
    assert spans_that_say(path, WORDS, ()) == {"alpha": [10, 11], "beta": [11, 12], "gamma": [12]}
    assert spans_that_say(path, ["alpha"], {"alpha"}) == {"alpha": [10, 11]}
    assert spans_that_say(path, ["alpha", "gamma"], {"alpha", "gamma"}) is None
    assert spans_that_say(path, ["alpha", "nobody"], {"nobody"}) is None
    assert spans_that_say(path, ["alpha", "nobody"], {"alpha"}) == {"alpha": [10, 11], "nobody": []}
