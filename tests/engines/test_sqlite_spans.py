"""The trace store on SQLite: the contract, and what is its own."""

import errno
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from math import ceil
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
import pytest

from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.dooming import doomed_traces
from switchgear.engines.sqlite_spans.finding import found_spans, found_traces
from switchgear.engines.sqlite_spans.schema import bring_forward, connect_reader, connect_writer, pages_of_log
from switchgear.engines.sqlite_spans.sketch import merged
from switchgear.engines.sqlite_spans.wiping import Wiping
from switchgear.engines.sqlite_spans.writing import Writing
from switchgear.kernel.chat import Usage
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Aggregate, Compare, Doomed, Find, Measure, Said, Window
from switchgear.kernel.span import Content
from switchgear.testing.trace_store_contract import ALL, Opener, TraceStoreContract
from switchgear.testing.trace_store_samples import BEGIN_NS, MINUTE_NS, sample

WRITER: Final = Path(__file__).with_name("span_writer.py")
COUNT: Final = Measure(reduction="count")


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteSpans]:
    store = SqliteSpans(path)
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


class TestSqliteSpans(TraceStoreContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        @asynccontextmanager
        async def fresh() -> AsyncGenerator[TraceStore]:
            with TemporaryDirectory(dir=tmp_path) as folder:
                async with opened(Path(folder) / "traces.db") as store:
                    yield store

        return fresh


async def test_a_conversation_takes_space_as_it_grows_and_not_as_its_square(tmp_path: Path) -> None:
    sizes: list[int] = []
    for turns in (25, 50):
        path = tmp_path / f"{turns}.db"
        random = np.random.default_rng(1)
        messages = [b'"%s"' % random.bytes(2_000).hex().encode() for _ in range(turns)]
        async with opened(path) as store:
            for turn in range(turns):
                await store.write([sample(1, turn, input=Content(parts=tuple(messages[: turn + 1])))])
            last = await store.read("p", f"{1:032x}", [f"{turns - 1:016x}"])
            assert last[0].input.parts == tuple(messages)
        sizes.append(_pages(path, "contents"))
    assert sizes[1] < 2.2 * sizes[0]


async def test_a_kill_loses_nothing_that_was_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    path, first, acknowledged = tmp_path / "traces.db", 0, set[str]()
    for kill in range(3):
        with Popen([sys.executable, str(WRITER), str(path), str(first)], stdout=PIPE) as process:  # noqa: ASYNC220
            assert process.stdout is not None
            told = b""
            for _ in range(5 + 3 * kill):
                told = process.stdout.readline()
            process.kill()
            rest = process.stdout.read()
        last = int((told + rest).split()[-1])
        acknowledged |= {f"{number:016x}" for number in range(first, last)}
        async with opened(path) as store:
            groups = await store.aggregate(Aggregate(window=ALL, by=("span_id",), measures=(COUNT,), limit=10_000))
            assert {group.values[0] for group in groups} >= acknowledged
            assert {group.measures for group in groups} == {(1,)}
            rolled = Window(project="p", since_ns=0, until_ns=BEGIN_NS + MINUTE_NS)
            assert (await store.aggregate(Aggregate(window=rolled, measures=(COUNT,))))[0].measures == (len(groups),)
        first = last + 24


async def test_a_full_disk_changes_nothing_and_writes_go_on_when_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path / "traces.db") as store:
        await store.write([sample(1, 1)])
        writer = store._writer
        assert writer is not None
        (pages,) = writer._connection.execute("PRAGMA page_count").fetchone()
        writer._connection.execute(f"PRAGMA max_page_count = {pages}")
        large = Content(parts=(b'"%s"' % np.random.default_rng(1).bytes(100_000).hex().encode(),))
        with pytest.raises(OSError, match="full") as caught:
            await store.write([sample(1, 2, input=large), sample(2, 3)])
        assert caught.value.errno == errno.ENOSPC
        assert [row.span_count for row in (await store.find(Find(window=ALL, of="traces"))).traces] == [1]
        writer._connection.execute(f"PRAGMA max_page_count = {pages * 100}")
        assert await store.write([sample(1, 2, input=large), sample(2, 3)]) == 2
        assert sum(row.span_count for row in (await store.find(Find(window=ALL, of="traces"))).traces) == 3


@pytest.mark.parametrize(("free_mb", "pages"), [(0, 1_000), (200, 2_560), (1_000_000, 8_000)])
def test_the_log_takes_less_room_where_there_is_little(free_mb: int, pages: int) -> None:
    assert pages_of_log(free_mb * 1024 * 1024) == pages


async def test_a_newer_file_and_another_programs_are_refused(tmp_path: Path) -> None:
    for setting, told in (("user_version = 99", "version 99"), ("application_id = 7", "another program")):
        path = tmp_path / setting[:4]
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA {setting}")
        with pytest.raises(OSError, match=told):
            await SqliteSpans(path).start()


def test_a_file_is_brought_forward_by_the_steps_that_it_has_not_seen(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as connection:
        bring_forward(connection, tmp_path, ("CREATE TABLE one (a);",))
        bring_forward(connection, tmp_path, ("CREATE TABLE one (a);", "CREATE TABLE two (a);"))
        with pytest.raises(sqlite3.Error):
            bring_forward(connection, tmp_path, ("", "", "CREATE TABLE three (a);", "nonsense;"))
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
        assert tables == ["one", "three", "two"]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


async def test_nothing_of_a_deleted_user_is_left_in_any_table(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    async with opened(path) as store:
        told = Content(parts=(b'"a zebra said so"',))
        await store.write([sample(1, 1, user="zebra", tags=("zebra",), metadata={"who": "zebra"}, input=told)])
        assert await store.delete(Doomed(project="p", user="zebra")) == 1
        assert (await store.find(Find(window=ALL, where=Said(text="zebra")))).spans == ()
    with closing(sqlite3.connect(path)) as connection:
        for table in ("spans", "details", "contents", "content_names", "links", "labels", "facets", "traces"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


async def test_no_byte_of_a_deleted_user_is_left_in_the_file_or_its_log(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    async with opened(path) as store:
        for number in range(40):
            told = Content(parts=(b'"zebra%d is kept apart"' % number,), preview=f"zebra{number}")
            await store.write([sample(number, 1, user="zebra", tags=("zebra",), input=told)])
            await store.write([sample(100 + number, 1, input=Content(parts=(b'"a giraffe stays"',)))])
        assert await store.delete(Doomed(project="p", user="zebra")) == 40
        await store.write([sample(99, 1)])
    assert [b"zebra" in file.read_bytes() for file in tmp_path.iterdir()] == [False]
    async with opened(path) as store:
        assert len((await store.find(Find(window=ALL, where=Said(text="giraffe")))).spans) == 40
        assert (await store.find(Find(window=ALL, where=Said(text="zebra7")))).spans == ()


async def test_what_a_crash_kept_from_being_wiped_is_wiped_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    async with opened(path) as store:
        for number in range(4):
            await store.write([sample(number, 1, input=Content(parts=(b'"a zebra"',)))])
    with closing(connect_writer(path)) as connection:
        # A writer that never comes to its wiping.
        writing = Writing(connection, None)
        connection.execute("BEGIN IMMEDIATE")
        writing.delete(doomed_traces(connection, Doomed(project="p", trace_ids=(f"{1:032x}",))))
        Wiping(connection).note(Doomed(project="p", trace_ids=(f"{1:032x}",)), 1)
        connection.execute("COMMIT")
        assert Wiping(connection).is_due
    async with opened(path):
        pass
    with closing(connect_writer(path)) as connection:
        assert not Wiping(connection).is_due
        assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)


async def test_what_grew_old_is_wiped_when_it_is_a_good_part_of_all(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    async with opened(path) as store:
        await store.write([sample(number, number) for number in range(1, 101)])
    with closing(connect_writer(path)) as connection:
        wiping = Wiping(connection)
        aged = Doomed(project="p", before_ns=BEGIN_NS)
        wiping.note(aged, 3)
        assert not wiping.is_due
        wiping.note(aged, 3)
        assert wiping.is_due


@pytest.mark.parametrize("of", ["spans", "traces"])
async def test_a_page_of_one_trace_takes_no_more_work_where_the_trace_is_larger(
    tmp_path: Path, of: Literal["spans", "traces"]
) -> None:
    path = tmp_path / "traces.db"
    of_trace = Compare(field="trace_id", value=f"{1:032x}")
    question = Find(window=ALL, where=of_trace, of=of, newest_first=False, limit=50)
    async with opened(path) as store:
        await store.write([sample(1, number) for number in range(200)])
        of_small = _work(path, question)
        await store.write([sample(1, number) for number in range(200, 2_000)])
        assert _work(path, question) == pytest.approx(of_small, rel=0.1)


def _work(path: Path, question: Find) -> int:
    """How many of its instructions SQLite takes to answer."""
    steps: list[None] = []
    with closing(connect_reader(path)) as connection:
        connection.set_progress_handler(lambda: steps.append(None), 10)
        found = found_spans(connection, question) if question.of == "spans" else found_traces(connection, question)
    assert found.spans or found.traces
    return len(steps)


def test_a_call_that_is_not_between_two_others_is_looked_for_in_no_circle(tmp_path: Path) -> None:
    asked: list[str] = []
    with closing(connect_writer(tmp_path / "traces.db")) as connection:
        connection.create_function("merged", 2, merged, deterministic=True)
        connection.set_trace_callback(asked.append)
        writing = Writing(connection, None)
        client, gateway, between = (
            sample(1, n, kind="llm", usage=Usage(input=n), parent_id=parent)
            for n, parent in ((1, f"{9:016x}"), (2, f"{1:016x}"), (1, f"{2:016x}"))
        )
        for span in (client, gateway, sample(1, 3, parent_id=f"{1:016x}"), gateway, client):
            writing.write([[span]], replace=True)
        assert not [statement for statement in asked if statement.startswith("SELECT parent_id, kind")]
        writing.write([[between]], replace=True)
        assert [statement for statement in asked if statement.startswith("SELECT parent_id, kind")]


async def test_quantiles_of_rollups_are_within_a_hundredth(tmp_path: Path) -> None:
    lengths = [int(1.01**n * 1000) for n in range(1000)]
    async with opened(tmp_path / "traces.db") as store:
        for at in range(0, 1000, 100):
            some = lengths[at : at + 100]
            spans = [sample(1, at + n, ended_ns=BEGIN_NS + at + n + length) for n, length in enumerate(some)]
            await store.write(spans)
        window = Window(project="p", since_ns=BEGIN_NS, until_ns=BEGIN_NS + MINUTE_NS)
        for q in (0.0, 0.5, 0.95, 0.99, 1.0):
            measure = Measure(reduction="quantile", field="duration_ns", q=q, approximate=True)
            (group,) = await store.aggregate(Aggregate(window=window, measures=(measure,)))
            true = lengths[max(ceil(q * 1000), 1) - 1]
            assert group.measures[0] == pytest.approx(true, rel=0.0101)


def _pages(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT sum(length(data)) FROM {table}").fetchone()[0])


async def test_what_two_projects_say_alike_is_written_whichever_said_it_before(tmp_path: Path) -> None:
    said = Content(parts=(b'"what all are told"',))
    for run in range(2):
        # What an earlier process knew by heart this one has to look for.
        async with opened(tmp_path / "traces.db") as store:
            for turn in range(3):
                number = 10 * run + turn
                spans = [sample(number, number, project=project, input=said) for project in ("p", "q")]
                assert await store.write(spans) == 2
            for project in ("p", "q"):
                window = Window(project=project, since_ns=0, until_ns=2**62)
                assert len((await store.find(Find(window=window, where=Said(text="told")))).spans) == 3 * (run + 1)
