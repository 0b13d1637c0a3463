"""A process that seals is killed again and again while spans come, come late, and are deleted: nothing shows of it."""

import asyncio
import itertools
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pytest
from msgspec import json

import switchgear
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.query import Aggregate, Compare, Find, Measure, Said, Tagged, Window
from tests.engines import span_sealer
from tests.engines.span_sealer import Order, do, opened

KILLS: Final = 20
ACTORS: Final = 4
BETWEEN_KILLS: Final = (20, 90)
"""Orders, at least and at most."""
TRACES_OF_USER: Final = 6
LATER: Final = {"write": 0.5, "replace": 0.3, "delete trace": 0.15, "delete user": 0.06}
"""What happens to traces that were there before, and how often for each new one."""
PROJECTS: Final = ("p", "q")
COUNT: Final = Measure(reduction="count")
MEASURES: Final = (
    COUNT,
    Measure(reduction="errors"),
    Measure(reduction="sum", field="input_tokens"),
    Measure(reduction="sum", field="cost_nano_usd"),
    Measure(reduction="quantile", field="duration_ns", q=0.9),
)


class Model:
    """What is true of what was acknowledged: a store that is never sealed, and what may still be said where."""

    def __init__(self, store: SqliteSpans) -> None:
        self.store = store
        self.said: dict[tuple[str, int], set[str]] = {}
        self.unsaid: set[str] = set()
        self.done: Counter[str] = Counter()
        self._users: dict[tuple[str, int], str] = {}

    async def take(self, order: Order) -> None:
        await do(self.store, order)
        self.done[order.do] += 1
        key = (order.project, order.trace)
        if order.spans:
            self.said.setdefault(key, set()).update(order.words())
            self._users[key] = order.user
            return
        of_user = [each for each, user in self._users.items() if user == order.user and each[0] == order.project]
        for each in [key] if order.do == "delete trace" else of_user:
            self.unsaid |= self.said.pop(each, set())
            self._users.pop(each, None)


class Actor:
    """Makes up orders for traces and users of its own, one after the other."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._random = np.random.default_rng(number)
        self._versions = itertools.count()
        self._traces: list[int] = []

    def orders(self) -> Iterator[Order]:
        for turn in itertools.count():
            trace = turn * ACTORS + self._number
            self._traces.append(trace)
            yield self._order("write", trace, 1, int(self._random.integers(1, 9)))
            # The traces from some turns ago are sealed by now, or are just being sealed.
            for kind, share in LATER.items():
                if self._random.random() < share:
                    earlier = int(self._random.choice(self._traces[-25:]))
                    yield self._order(kind, earlier, int(self._random.integers(1, 13)), 2)

    def _order(self, kind: str, trace: int, first: int, count: int) -> Order:
        user = f"u{self._number}n{trace // ACTORS // TRACES_OF_USER}"
        spans = tuple(range(first, first + count)) if kind in {"write", "replace"} else ()
        number = next(self._versions) * ACTORS + self._number
        told = {"number": number, "do": kind, "trace": trace, "user": user, "spans": spans, "version": number}
        return json.decode(json.encode(told), type=Order)


class Sealer:
    """The process in force; what it did not acknowledge is asked of the next one."""

    def __init__(self, folder: Path, model: Model, makers: str) -> None:
        self._folder = folder
        self._makers = makers
        self._model = model
        self._waiting: dict[int, tuple[Order, asyncio.Future[None]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._random = np.random.default_rng(ACTORS)
        self.done = asyncio.Semaphore(0)

    async def ask(self, order: Order) -> None:
        """Returns when it is acknowledged, by whichever process."""
        self._waiting[order.number] = (order, asyncio.get_running_loop().create_future())
        self._send(order)
        await self._waiting[order.number][1]
        await self._model.take(order)

    async def run(self, kills: int) -> None:
        for _ in range(kills):
            await self._start()
            reading = asyncio.create_task(self._read())
            for _ in range(int(self._random.integers(*BETWEEN_KILLS))):
                await self.done.acquire()
            # Not only just behind an acknowledgement.
            await asyncio.sleep(self._random.random() / 20)
            assert self._process is not None
            self._process.send_signal(signal.SIGKILL)
            await reading
            assert await self._process.wait() == -signal.SIGKILL

    async def finish(self) -> None:
        """Let the last one do what is left, and kill it as well."""
        await self._start()
        reading = asyncio.create_task(self._read())
        while self._waiting:
            await self.done.acquire()
        assert self._process is not None
        self._process.kill()
        await reading
        await self._process.wait()

    async def _start(self) -> None:
        assert span_sealer.__file__ is not None
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, span_sealer.__file__, str(self._folder), self._makers),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": str(Path(switchgear.__file__).parents[1])},
        )
        for order, _ in list(self._waiting.values()):
            self._send(order)

    def _send(self, order: Order) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.encode(order) + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while (line := await self._process.stdout.readline()).endswith(b"\n"):
            self._waiting.pop(int(line))[1].set_result(None)
            self.done.release()


async def drive(sealer: Sealer, actor: Actor, stopping: asyncio.Event) -> None:
    for order in actor.orders():
        if stopping.is_set():
            return
        await sealer.ask(order)


async def told(store: SqliteSpans, words: list[str]) -> dict[str, object]:
    """Everything that lists, sums, filters, words and whole spans say."""
    found: dict[str, object] = {}
    for project in PROJECTS:
        everything = Window(project=project, since_ns=0, until_ns=2**62)
        spans = (await store.find(Find(window=everything, limit=10_000))).spans
        of_traces = Find(window=everything, of="traces", limit=10_000)
        traces = (await store.find(of_traces)).traces
        found[f"{project} spans"], found[f"{project} traces"] = spans, traces
        filters = (Compare(field="model", value="m1"), Tagged(name="tag 2"), Said(text="all say"))
        found[f"{project} filters"] = [
            await store.find(Find(window=everything, of=of, where=where, limit=10_000))
            for where in filters
            for of in ("spans", "traces")
        ]
        found[f"{project} sums"] = [
            await store.aggregate(Aggregate(window=everything, by=by, measures=MEASURES[:most], limit=10_000))
            for by, most in ((("user",), 5), (("trace_id",), 5), (("model",), 4), ((), 4), (("user",), 1))
        ]
        found[f"{project} words"] = [
            await store.find(Find(window=everything, where=Said(text=word), limit=10_000)) for word in words
        ]
        span_ids: dict[str, list[str]] = {}
        for row in spans:
            span_ids.setdefault(row.trace_id, []).append(row.span_id)
        found[f"{project} whole"] = [await store.read(project, trace, ids) for trace, ids in span_ids.items()]
    return found


def said_in_files(folder: Path) -> set[str]:
    """Every word in messages and in the index of words, whether it is read there or not."""
    found: set[str] = set()
    with duckdb.connect() as connection:
        pattern = str(folder / "*" / "*" / "*.payload.parquet")
        rows = connection.execute(f"SELECT DISTINCT decode(data) FROM '{pattern}'").fetchall()
        found.update(*(text.strip('"').split() for (text,) in rows))
    for path in folder.rglob("*.words.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, words, 'row')")
            found.update(term for (term,) in connection.execute("SELECT term FROM temp.terms"))
    return found


def files(folder: Path) -> tuple[set[str], set[str]]:
    """Those that are there, and those that the tables name."""
    there = {str(path.relative_to(folder / "traces.sealed")) for path in (folder / "traces.sealed").rglob("*.*.*")}
    with closing(sqlite3.connect(folder / "traces.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM segments")]
    suffixes = ("core.parquet", "payload.parquet", "words.db")
    return there, {f"{name}.{suffix}" for name in names for suffix in suffixes}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("makers", ["here", "beside"])
async def test_whenever_the_process_is_killed_what_is_sealed_late_or_deleted_is_as_if_it_had_not_been(
    tmp_path: Path, makers: str
) -> None:
    plain = SqliteSpans(tmp_path / "plain.db")
    await plain.start()
    model, stopping = Model(plain), asyncio.Event()
    sealer = Sealer(tmp_path, model, makers)
    async with asyncio.TaskGroup() as group:
        for number in range(ACTORS):
            group.create_task(drive(sealer, Actor(number), stopping))
        await sealer.run(KILLS)
        stopping.set()
        await sealer.finish()
    store = opened(tmp_path)
    await store.start()
    living = sorted(word for words in model.said.values() for word in words)
    words = [*living[:: len(living) // 8 + 1], *sorted(model.unsaid)[:: len(model.unsaid) // 8 + 1]]
    expected = await told(plain, words)
    for turn in (None, 10_000, 10_001):
        if turn is not None:
            await store.seal(turn, turn)
            assert said_in_files(tmp_path / "traces.sealed") & model.unsaid == set()
            there, named = files(tmp_path)
            assert there == named
        found = await told(store, words)
        for name, answer in expected.items():
            assert found[name] == answer, name
    await store.aclose()
    await plain.aclose()
    assert min(model.done[each] for each in ("write", "replace", "delete trace", "delete user")) >= KILLS
