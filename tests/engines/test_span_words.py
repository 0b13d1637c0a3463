"""Words in a store of more spans than are looked at first: the pages are those of looking at every span."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final, Literal

import pytest

from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.query import Compare, Either, Every, Filter, Find, Not, OneOf, Said
from switchgear.kernel.span import Content, Span
from switchgear.testing.trace_store_contract import ALL
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

SPANS: Final = 5_000
WORDS: Final = {"often": 3, "seldom": 700, "beginning": 0}
"""Said by every so many spans; the last one by the oldest alone."""


def says(number: int) -> tuple[str, ...]:
    return tuple(word for word, every in WORDS.items() if (number % every == 0 if every else number < 90))


def user(number: int) -> str:
    """Eve's are more than few."""
    return "ada" if number % 10 == 3 else "bob" if number % 100 == 7 else "eve"


def told(number: int) -> Span:
    content = Content(parts=tuple(f'"{word}"'.encode() for word in says(number)))
    return sample(number // 5, number, started_ns=BEGIN_NS + number // 2, input=content, user=user(number))


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteSpans]:
    store = SqliteSpans(path)
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


async def fill(path: Path) -> None:
    async with opened(path) as store:
        await store.write([told(number) for number in range(SPANS)])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "traces.db"
    asyncio.run(fill(path))
    return path


async def test_words_of_a_large_transaction_are_written_once(tmp_path: Path) -> None:
    words = [" ".join(f"w{number * 60 + at}" for at in range(60)) for number in range(1_000)]
    spans = [sample(0, at, input=Content(parts=(f'"{said} {at}"'.encode(),))) for at, said in enumerate(words)]
    async with opened(tmp_path / "traces.db"):
        # A new file merges its words once, of which it has none yet.
        pass
    async with opened(tmp_path / "traces.db") as store:
        await store.write(spans)
    with closing(sqlite3.connect(tmp_path / "traces.db")) as connection:
        assert connection.execute("SELECT count(DISTINCT segid) FROM words_idx").fetchone() == (1,)


async def pages(store: SqliteSpans, where: Filter, of: Literal["spans", "traces"], *, newest: bool) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = await store.find(Find(window=ALL, where=where, of=of, limit=200, newest_first=newest, after=after))
        found += [row.span_id for row in page.spans] or [row.trace_id for row in page.traces]
        after = page.after
        if not after:
            return found


def any_of(*words: str) -> Filter:
    """No one word of these is said by all that fits, so that none of them says where to look."""
    return Either(filters=tuple(Said(text=word) for word in words))


CASES: Final[Mapping[str, tuple[Filter, Callable[[set[str]], bool]]]] = {
    "a common word": (any_of("often"), lambda said: "often" in said),
    "either of two": (any_of("seldom", "beginning"), lambda said: bool(said & {"seldom", "beginning"})),
    "not a word": (Not(filter=Said(text="often")), lambda said: "often" not in said),
    "two words": (Said(text="often seldom"), lambda said: said >= {"often", "seldom"}),
    "one without another": (
        Every(filters=(Said(text="seldom"), Not(filter=Said(text="often")))),
        lambda said: "seldom" in said and "often" not in said,
    ),
    "a word of one user": (
        Every(filters=(Compare(field="user", value="ada"), Not(filter=Said(text="often")))),
        lambda said: "ada" in said and "often" not in said,
    ),
    "two words of one user": (
        Every(filters=(any_of("often"), Compare(field="user", value="ada"))),
        lambda said: said >= {"ada", "often"},
    ),
    "one user or another": (OneOf(field="user", values=("ada", "bob")), lambda said: bool(said & {"ada", "bob"})),
    "a user of many": (Compare(field="user", value="eve"), lambda said: "eve" in said),
    "a word of the oldest": (Said(text="beginning"), lambda said: "beginning" in said),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("newest", [True, False])
async def test_every_page_is_that_of_looking_at_every_span(filled: Path, case: str, *, newest: bool) -> None:
    where, fits = CASES[case]
    fitting = [span for number, span in enumerate(map(told, range(SPANS))) if fits({*says(number), user(number)})]
    fitting.sort(key=lambda span: (span.started_ns, span.trace_id, span.span_id), reverse=newest)
    traces = sorted({span.trace_id for span in fitting}, reverse=newest)
    async with opened(filled) as store:
        assert await pages(store, where, "spans", newest=newest) == [span.span_id for span in fitting]
        assert await pages(store, where, "traces", newest=newest) == traces
