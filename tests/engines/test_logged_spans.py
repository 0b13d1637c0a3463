"""The log in front of a trace store: what was written is on the disk at once, and in the store soon after."""

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from switchgear.engines.logged_spans import LoggedSpans, SpanLog
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.chat import Usage
from switchgear.kernel.query import Doomed
from switchgear.kernel.span import Content, Span, SpanEvent
from switchgear.testing.trace_store_contract import Opener, TraceStoreContract, found_ids
from switchgear.testing.trace_store_samples import sample


class Told(SqliteSpans):
    """Does before each write what a test wants."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes: list[list[str]] = []
        self.before: Callable[[Sequence[Span]], object] = lambda _: None

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        self.writes.append([span.span_id for span in spans])
        waited = self.before(spans)
        if hasattr(waited, "__await__"):
            await waited  # pyright: ignore[reportGeneralTypeIssues]
        return await super().write(spans, replace=replace)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[LoggedSpans, Told]]:
    kept = Told(folder / "traces.db")
    store = LoggedSpans(kept, SpanLog(folder / "traces.log"))
    await store.start()
    try:
        yield store, kept
    finally:
        await store.aclose()


def ids(*numbers: int) -> list[str]:
    return [f"{number:016x}" for number in numbers]


class TestLoggedSpans(TraceStoreContract):
    knows_new = False

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        count = iter(range(1 << 30))

        @asynccontextmanager
        async def mine() -> AsyncGenerator[LoggedSpans]:
            async with opened(tmp_path / str(next(count))) as (store, _):
                yield store

        return mine


def killed(folder: Path) -> None:
    """A copy of what is on the disk lies beside it: what a process finds whose predecessor was killed now."""
    found, again = files_of(folder), files_of(folder)
    # Files that another thread writes meanwhile were never on the disk together.
    while found != again:
        found, again = again, files_of(folder)
    for name, content in found.items():
        target = folder / "after" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def files_of(folder: Path) -> dict[Path, bytes]:
    """By their place in the folder."""
    paths = (*folder.glob("traces.db*"), *(folder / "traces.log").iterdir())
    return {path.relative_to(folder): path.read_bytes() for path in paths if path.exists()}


async def test_a_write_is_answered_before_the_store_has_it_and_questions_wait_for_it(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with opened(tmp_path) as (store, kept):
        kept.before = lambda _: go_on.wait()
        await store.write([sample(1, 1)])
        assert store.on_the_way == 1
        question = asyncio.create_task(found_ids(store))
        while not kept.writes:
            await asyncio.sleep(0)
        assert not question.done()
        go_on.set()
        assert await question == ids(1)
        assert store.on_the_way == 0


async def test_what_a_killed_process_had_acknowledged_is_in_the_store_of_the_next_and_once(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with opened(tmp_path) as (store, kept):
        await store.write([sample(1, 1)])
        assert await found_ids(store) == ids(1)
        kept.before = lambda _: never.wait()
        await store.write([sample(1, 2, name="first")])
        await store.write([sample(1, 2, name="second")], replace=True)
        await store.write([sample(1, 3)])
        killed(tmp_path)
        never.set()
    async with opened(tmp_path / "after") as (store, kept):
        assert sorted(await found_ids(store)) == ids(1, 2, 3)
        (two,) = await store.read("p", f"{1:032x}", ids(2))
        assert two.name == "second"
        assert kept.writes == [ids(2), ids(2), ids(3)]
    assert list((tmp_path / "after" / "traces.log").iterdir()) == []


async def test_what_is_read_back_from_the_log_is_what_was_written(tmp_path: Path) -> None:
    never = asyncio.Event()
    span = sample(
        1,
        1,
        usage=Usage(input=3, cache_read=2, reasoning=1, estimated=True),
        attributes={"text": "ä", "number": 1.5, "list": [1, {"deep": None}], "bytes": b"\0", "large": 2**63},
        resource={"service.name": "api"},
        events=(SpanEvent(name="first token", at_ns=5, attributes={"at": [True]}),),
        input=Content(parts=(b'{"role": "user"}', b'"two"'), is_messages=True, preview="two"),
        tags=("b", "a"),
    )
    async with opened(tmp_path) as (store, kept):
        kept.before = lambda _: never.wait()
        await store.write([span])
        killed(tmp_path)
        never.set()
    async with opened(tmp_path / "after") as (store, _):
        assert await store.read("p", span.trace_id, [span.span_id]) == [span]


async def test_what_nobody_can_read_any_more_is_set_aside_and_the_rest_is_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = SpanLog(tmp_path / "traces.log")
    log.open()
    log.append(b"of another version")
    log.close()
    async with opened(tmp_path) as (store, _):
        await store.write([sample(1, 1)])
        assert await found_ids(store) == ids(1)
    (aside,) = (tmp_path / "traces.log").iterdir()
    assert b"of another version" in aside.read_bytes()
    assert f"18 bytes of spans cannot be read, and are kept in {aside}" in caplog.text


async def test_a_batch_that_was_cut_off_is_not_read_and_those_before_it_are(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with opened(tmp_path) as (store, kept):
        kept.before = lambda _: never.wait()
        for number in (1, 2, 3):
            await store.write([sample(number, number)])
        killed(tmp_path)
        never.set()
    (file,) = (tmp_path / "after" / "traces.log").iterdir()
    whole = file.read_bytes()
    third = len(whole) // 3
    for cut, kept_ids in ((1, ids(1, 2)), (third, ids(1, 2)), (third + 1, ids(1)), (2 * third + 1, [])):
        folder = tmp_path / f"cut-{cut}"
        (folder / "traces.log").mkdir(parents=True)
        (folder / "traces.log" / file.name).write_bytes(whole[:-cut])
        async with opened(folder) as (store, _):
            assert sorted(await found_ids(store)) == kept_ids


async def test_a_store_that_cannot_write_keeps_the_log_and_takes_nothing_more_until_it_can(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def no_room(_: object) -> None:
        raise full

    async with opened(tmp_path) as (store, kept):
        kept.before = no_room
        await store.write([sample(1, 1)])
        while len(kept.writes) < 1:
            await asyncio.sleep(0)
        with pytest.raises(OSError, match="No space"):
            await store.write([sample(2, 2)])
        assert await found_ids(store) == []
        with pytest.raises(OSError, match="No space"):
            await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}",)))
    # It was closed meanwhile: what was taken lies in the log.
    async with opened(tmp_path) as (store, kept):
        assert await found_ids(store) == ids(1)


async def test_a_span_that_breaks_the_store_is_set_aside_and_those_beside_it_are_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def poisoned(spans: Sequence[Span]) -> None:
        if any(span.name == "poison" for span in spans):
            raise ZeroDivisionError

    async with opened(tmp_path) as (store, kept):
        kept.before = poisoned
        await store.write([sample(1, 1), sample(1, 2, name="poison"), sample(1, 3)])
        assert sorted(await found_ids(store)) == ids(1, 3)
        assert store.refused == 1
    (aside,) = (tmp_path / "traces.log").iterdir()
    assert str(aside) in caplog.text
    # Named as the log's own, it is taken again.
    aside.rename(aside.with_suffix(".spans"))
    async with opened(tmp_path) as (store, _):
        assert sorted(await found_ids(store)) == ids(1, 2, 3)


async def test_what_was_deleted_does_not_come_back_from_the_log(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with opened(tmp_path) as (store, kept):
        await store.write([sample(1, 1, name="to be forgotten")])
        assert await found_ids(store) == ids(1)
        deleting = asyncio.create_task(store.delete(Doomed(project="p", trace_ids=(f"{1:032x}",))))
        kept.before = lambda _: never.wait()
        await store.write([sample(2, 2)])
        assert await deleting == 1
        killed(tmp_path)
        never.set()
    async with opened(tmp_path / "after") as (store, _):
        assert await found_ids(store) == ids(2)


async def test_words_of_what_was_deleted_are_not_in_the_log_either(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _):
        await store.write([sample(1, 1, name="to be forgotten")])
        await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}",)))
        assert not any(b"forgotten" in path.read_bytes() for path in (tmp_path / "traces.log").iterdir())


async def test_whoever_writes_more_than_the_store_can_follow_waits(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with opened(tmp_path) as (store, kept):
        kept.before = lambda _: go_on.wait()
        many = [sample(number // 10, number) for number in range(3_000)]
        await store.write(many)
        more = asyncio.create_task(store.write([sample(5_000, 5_000)]))
        await asyncio.sleep(0)
        # So much is on its way that questions are answered without it.
        assert await found_ids(store) == []
        assert not more.done()
        go_on.set()
        await more
        assert len(await found_ids(store)) == 1_000


async def test_a_log_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with opened(tmp_path) as (store, kept):
        kept.before = lambda _: never.wait()
        await store.write([sample(1, 1)])
        other = SpanLog(tmp_path / "traces.log")
        assert other.open() == []
        other.append(b"theirs")
        other.close()
        never.set()
    assert [left.data for left in SpanLog(tmp_path / "traces.log").open()] == [b"theirs"]


def test_what_was_set_aside_is_taken_again_whatever_its_process_says_is_in_the_store(tmp_path: Path) -> None:
    log = SpanLog(tmp_path)
    log.open()
    aside = log.set_aside(b"of a defect")
    assert aside is not None
    aside.rename(aside.with_suffix(".spans"))
    log.done(log.append(b"in the store"))
    log.append(b"not yet")
    log.close()
    assert [left.data for left in SpanLog(tmp_path).open()] == [b"of a defect", b"not yet"]


async def test_a_file_of_the_log_that_cannot_be_removed_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(SpanLog):
        def done(self, number: int) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

    store = LoggedSpans(Told(tmp_path / "traces.db"), Stuck(tmp_path / "traces.log"))
    await store.start()
    for number in (1, 2):
        await store.write([sample(number, number)])
    assert sorted(await found_ids(store)) == ids(1, 2)
    assert "cannot be removed" in caplog.text
    await store.aclose()


def test_files_are_removed_when_all_in_them_is_in_the_store(tmp_path: Path) -> None:
    log = SpanLog(tmp_path)
    log.open()
    large = bytes(3 * 1024 * 1024)
    numbers = [log.append(large) for _ in range(7)]
    assert len(list(tmp_path.iterdir())) == 3
    log.done(numbers[2])
    assert len(list(tmp_path.iterdir())) == 2
    log.done(numbers[-1])
    assert list(tmp_path.iterdir()) == []
    log.append(b"small")
    log.close()
    assert [left.data for left in SpanLog(tmp_path).open()] == [b"small"]


_STEPS = st.lists(
    st.one_of(st.integers(1, 6 * 1024 * 1024), st.sampled_from(["done", "all done", "forget", "killed"])), max_size=20
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(steps=_STEPS)
def test_whatever_happens_nothing_unfinished_is_lost_and_nothing_forgotten_comes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = SpanLog(folder)
    log.open()
    # Which batch has which number.
    told: dict[int, int] = {}
    done = forgotten = count = 0
    for step in steps:
        if isinstance(step, int):
            count += 1
            told[log.append(count.to_bytes(4, "big") + bytes(step))] = count
        elif step == "killed":
            log.close()
            log = SpanLog(folder)
            left = {each.number: int.from_bytes(each.data[:4], "big") for each in log.open()}
            assert list(left.values()) == sorted(left.values())
            assert {batch for batch in told.values() if batch > done} <= set(left.values())
            assert all(batch > forgotten for batch in left.values())
            told = left
        elif told:
            last = max(told) if step == "all done" else sorted(told)[len(told) // 2]
            if step == "forget":
                log.forget()
                forgotten = done
            else:
                log.done(last)
                done = max(done, told[last])
    log.close()
