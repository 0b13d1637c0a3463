"""The contract of the port TraceStore: subclass :class:`TraceStoreContract` in a test module and give its fixture.

::

    class TestMine(TraceStoreContract):
        @pytest.fixture
        def opener(self, tmp_path: Path) -> Opener:
            return mine  # an async context manager that opens an empty store

Random spans and questions are answered a second time by :class:`~switchgear.testing.trace_store_model.PlainTraces`,
which looks at every span.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import permutations
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import (
    Aggregate,
    Compare,
    Doomed,
    Every,
    Filter,
    Find,
    Measure,
    Not,
    Said,
    Tagged,
    TraceRow,
    Window,
)
from switchgear.kernel.span import Content, Span
from switchgear.testing.trace_store_model import PlainTraces
from switchgear.testing.trace_store_samples import (
    BEGIN_NS,
    MINUTE_NS,
    aggregates,
    calls_of_a_trace,
    finds,
    sample,
    spans_of_traces,
)

Opener = Callable[[], AbstractAsyncContextManager[TraceStore]]
ALL = Window(project="p", since_ns=0, until_ns=2**62)
_RANDOM = settings(
    deadline=None,
    max_examples=25,
    # An example takes files and threads: to make a failing one smaller would take minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


async def found_ids(store: TraceStore, where: Filter | None = None) -> list[str]:
    found = await store.find(Find(window=ALL, where=where, limit=1000))
    return [row.span_id for row in found.spans]


async def traces_of(store: TraceStore, where: Filter | None = None) -> list[TraceRow]:
    return list((await store.find(Find(window=ALL, where=where, of="traces"))).traces)


async def sums_of(store: TraceStore) -> tuple[object, ...]:
    """Tokens and cost of everything: by a scan, by whole minutes, and as the list of traces has them."""
    measures = tuple(Measure(reduction="sum", field=field) for field in ("input_tokens", "cost_nano_usd"))
    scan = await store.aggregate(Aggregate(window=ALL, measures=measures))
    minutes = Window(project="p", since_ns=0, until_ns=BEGIN_NS + 10_000 * MINUTE_NS)
    rolled = await store.aggregate(Aggregate(window=minutes, measures=measures))
    rows = await traces_of(store)
    listed = (sum(row.input_tokens for row in rows), sum(row.cost_nano_usd for row in rows))
    assert scan == rolled
    assert tuple(number or 0 for number in scan[0].measures) == listed
    return listed


async def places_by_sevens(store: TraceStore, *, newest_first: bool) -> list[tuple[int, str, str]]:
    """Where each span stands, page by page."""
    seen: list[tuple[int, str, str]] = []
    after = ""
    while True:
        page = await store.find(Find(window=ALL, limit=7, newest_first=newest_first, after=after))
        seen += [(row.started_ns, row.trace_id, row.span_id) for row in page.spans]
        after = page.after
        if not after:
            return seen


def outer(**changes: object) -> Span:
    """A client's call of a model."""
    return sample(1, 1, kind="llm", usage=Usage(input=10, output=1), cost_nano_usd=100, **changes)


def inner(**changes: object) -> Span:
    """The gateway's own span of it."""
    parent = f"{1:016x}"
    return sample(1, 2, kind="llm", parent_id=parent, usage=Usage(input=11), cost_nano_usd=110, **changes)


class TraceStoreContract:
    """What the product relies on, for every engine."""

    knows_new = True
    """Whether a write can tell which spans are new; else it tells how many came."""

    async def test_what_was_written_is_read_whole(self, opener: Opener) -> None:
        span = sample(
            1,
            1,
            usage=Usage(input=3, cache_read=2, reasoning=1, estimated=True),
            attributes={"text": "ä", "number": 1.5, "list": [1, {"deep": None}], "bytes": b"\0"},
            resource={"service.name": "api"},
            metadata={"key": "value"},
            input=Content(parts=(b'{"role": "user"}', b'"two"'), is_messages=True, preview="two"),
            tags=("b", "a"),
        )
        async with opener() as store:
            await store.write([span])
            assert await store.read("p", span.trace_id, [span.span_id, "0" * 16]) == [span]
            assert await store.read("other", span.trace_id, [span.span_id]) == []

    async def test_a_span_that_is_known_is_left_as_it_is(self, opener: Opener) -> None:
        async with opener() as store:
            written = [
                await store.write([sample(1, 1, name="first"), sample(1, 1, name="second")]),
                await store.write([sample(1, 1, name="third"), sample(1, 2)]),
            ]
            assert written == ([1, 1] if self.knows_new else [2, 2])
            (kept,) = await store.read("p", f"{1:032x}", [f"{1:016x}"])
            assert kept.name == "first"
            assert [row.span_count for row in await traces_of(store)] == [2]

    async def test_one_that_replaces_leaves_nothing_of_the_other(self, opener: Opener) -> None:
        async with opener() as store:
            before = outer(tags=("old",), user="old", input=Content(parts=(b'"ancient"',)))
            await store.write([before, sample(2, 1)])
            after = outer(tags=("new",), user="new", input=Content(parts=(b'"modern"',)), model="m")
            assert await store.write([after], replace=True) == (0 if self.knows_new else 1)
            assert await store.read("p", after.trace_id, [after.span_id]) == [after]
            gone: tuple[Filter, ...] = (Tagged(name="old"), Said(text="ancient"), Compare(field="user", value="old"))
            for where in gone:
                assert await found_ids(store, where) == []
                assert await traces_of(store, where) == []
            assert await found_ids(store, Said(text="Modern")) == [after.span_id]
            assert await sums_of(store) == (10, 100)
            users = Aggregate(window=ALL, by=("user",), measures=(Measure(reduction="count"),))
            assert {group.values for group in await store.aggregate(users)} == {("",), ("new",)}

    @pytest.mark.parametrize("order", ["outer first", "inner first", "together"])
    async def test_a_call_that_two_spans_tell_of_is_paid_once(self, opener: Opener, order: str) -> None:
        first, second = (inner(), outer()) if order == "inner first" else (outer(), inner())
        async with opener() as store:
            await store.write([first, second] if order == "together" else [first])
            if order != "together":
                await store.write([second])
            assert await sums_of(store) == (11, 110)
            await store.write([inner(counted=False)], replace=True)
            assert await sums_of(store) == (0, 0)
            await store.write([sample(1, 2, kind="tool", parent_id=f"{1:016x}")], replace=True)
            assert await sums_of(store) == (10, 100)

    async def test_a_span_that_only_sums_up_does_not_count(self, opener: Opener) -> None:
        async with opener() as store:
            await store.write([outer(counted=False), sample(1, 3, kind="llm", usage=Usage(input=5), cost_nano_usd=1)])
            assert await sums_of(store) == (5, 1)

    async def test_words_are_found_in_any_case_and_only_where_all_are(self, opener: Opener) -> None:
        async with opener() as store:
            message = b'{"role":"user","parts":[{"type":"text","content":"Grad der T\\u00fcr\\nzwei"}]}'
            await store.write([sample(1, 1, name="open door", input=Content(parts=(message,)))])
            await store.write([sample(1, 2, output=Content(parts=(b"no json: door",)))])
            assert await found_ids(store, Said(text="TÜR, Zwei; DOOR")) == [f"{1:016x}"]
            assert len(await found_ids(store, Said(text="door"))) == 2
            for absent in ("content", "doo", "door nobody", "nT"):
                assert await found_ids(store, Said(text=absent)) == []
            assert len(await found_ids(store, Not(filter=Said(text="zwei")))) == 1

    async def test_pages_hold_each_span_once_in_either_order(self, opener: Opener) -> None:
        async with opener() as store:
            await store.write([sample(n % 3, n, started_ns=BEGIN_NS + n // 4) for n in range(50)])
            for newest_first in (True, False):
                seen = await places_by_sevens(store, newest_first=newest_first)
                assert seen == sorted(seen, reverse=newest_first)
                assert len(set(seen)) == 50

    @pytest.mark.parametrize("after", ["nonsense", "1", "x.y.z", "9" * 30 + ".a.b"])
    async def test_a_cursor_that_is_none_is_refused(self, opener: Opener, after: str) -> None:
        async with opener() as store:
            with pytest.raises((BadRequest, ValueError)):
                await store.find(Find(window=ALL, after=after))

    @pytest.mark.parametrize("of", ["spans", "traces"])
    async def test_pages_are_full_though_spans_were_replaced(
        self, opener: Opener, of: Literal["spans", "traces"]
    ) -> None:
        async with opener() as store:
            await store.write([sample(n, n, user="old") for n in range(8)])
            await store.write([sample(n, n, user="new") for n in (1, 5, 6, 7)], replace=True)
            seen: list[str] = []
            after = ""
            while True:
                old = Compare(field="user", value="old")
                page = await store.find(Find(window=ALL, where=old, of=of, limit=2, after=after))
                seen += [row.trace_id[-1] for row in page.spans or page.traces]
                after = page.after
                if not after:
                    break
            assert seen == ["4", "3", "2", "0"]

    async def test_a_trace_stands_where_its_spans_are_now(self, opener: Opener) -> None:
        async with opener() as store:
            await store.write([sample(n, n) for n in range(4)])
            await store.write([sample(0, 0, started_ns=BEGIN_NS + 10), sample(3, 3, started_ns=BEGIN_NS)], replace=True)
            places = [(row.trace_id[-1], row.started_ns - BEGIN_NS) for row in await traces_of(store)]
            assert places == [("0", 10), ("2", 2), ("1", 1), ("3", 0)]
            for since, until, expected in ((0, 1, ["3"]), (3, 4, []), (10, 11, ["0"])):
                window = Window(project="p", since_ns=BEGIN_NS + since, until_ns=BEGIN_NS + until)
                found = await store.find(Find(window=window, of="traces"))
                assert [row.trace_id[-1] for row in found.traces] == expected

    async def test_a_trace_is_in_no_window_between_two_of_its_spans(self, opener: Opener) -> None:
        async with opener() as store:
            await store.write([sample(1, 1), sample(1, 9), sample(2, 5), sample(3, 2), sample(3, 7)])
            window = Window(project="p", since_ns=BEGIN_NS + 4, until_ns=BEGIN_NS + 8)
            for limit in (1, 10):
                found = await store.find(Find(window=window, of="traces", newest_first=False, limit=limit))
                assert [row.trace_id[-1] for row in found.traces] == ["3", "2"][:limit]

    async def test_cyclic_parents_hang_nothing(self, opener: Opener) -> None:
        async with opener() as store:
            ids = [f"{n:016x}" for n in range(3)]
            cycle = [sample(1, n, kind="llm", parent_id=ids[(n + 1) % 3], usage=Usage(input=1)) for n in range(3)]
            await store.write(cycle)
            await store.write([sample(2, 9, parent_id=f"{9:016x}", kind="llm", usage=Usage(input=1))])
            await store.write(cycle[:1], replace=True)
            children = Compare(field="parent_id", value=ids[1])
            of_trace = Compare(field="trace_id", value=f"{1:032x}")
            assert await found_ids(store, Every(filters=(of_trace, children))) == [ids[0]]
            assert {row.span_count for row in await traces_of(store)} == {1, 3}

    @pytest.mark.parametrize("order", list(permutations((0, 1, 2))))
    async def test_a_circle_of_calls_is_paid_once_in_whatever_order_they_come(
        self, opener: Opener, order: tuple[int, ...]
    ) -> None:
        calls = [
            sample(1, n, parent_id=f"{(n + 1) % 3:016x}", kind="llm", usage=Usage(input=10**n), cost_nano_usd=2 * 10**n)
            for n in range(3)
        ]
        async with opener() as store:
            for n in order:
                await store.write([calls[n]])
            # The earliest is below the second, which is the innermost of what is left.
            assert await sums_of(store) == (10, 20)
            below = sample(1, 8, parent_id=f"{1:016x}", kind="llm", usage=Usage(input=5), cost_nano_usd=6)
            await store.write([below])
            assert await sums_of(store) == (5, 6)
            await store.write([sample(1, 8, kind="tool")], replace=True)
            assert await sums_of(store) == (10, 20)
            await store.write([structs.replace(calls[2], parent_id="")], replace=True)
            assert await sums_of(store) == (1, 2)
            await store.write([calls[2]], replace=True)
            assert await sums_of(store) == (10, 20)

    async def test_calls_that_hang_together_anyhow_are_paid_as_if_each_had_been_looked_at(self, opener: Opener) -> None:
        @_RANDOM
        @given(st.lists(calls_of_a_trace(), min_size=1, max_size=5), st.booleans())
        def check(batches: list[list[Span]], replace: bool) -> None:
            asyncio.run(_compare_sums(opener, batches, replace=replace))

        await asyncio.to_thread(check)

    async def test_deleted_traces_are_gone_from_every_list(self, opener: Opener) -> None:
        async with opener() as store:
            shared = Content(parts=(b'"shared words"',))
            gone = [sample(1, n, user="gone", tags=("t",), input=shared) for n in range(3)]
            await store.write([*gone, sample(2, 9, input=shared, user="stays")])
            assert await store.delete(Doomed(project="other", trace_ids=(f"{1:032x}",))) == 0
            assert await store.delete(Doomed(project="p", trace_ids=(f"{1:032x}", f"{7:032x}"))) == 3
            assert await found_ids(store) == [f"{9:016x}"]
            assert await found_ids(store, Said(text="shared")) == [f"{9:016x}"]
            assert [row.trace_id for row in await traces_of(store)] == [f"{2:032x}"]
            assert await store.read("p", f"{1:032x}", [f"{0:016x}"]) == []
            assert await store.write(gone) == 3

    async def test_nothing_of_a_user_is_left(self, opener: Opener) -> None:
        async with opener() as store:
            await store.write([sample(n, n, user=f"user {n % 2}") for n in range(6)])
            assert await store.delete(Doomed(project="p", user="user 1")) == 3
            assert {row.user for row in await traces_of(store)} == {"user 0"}
            users = Aggregate(window=ALL, by=("user",), measures=(Measure(reduction="count"),))
            assert [group.values for group in await store.aggregate(users)] == [("user 0",)]

    async def test_what_ended_before_a_time_is_deleted(self, opener: Opener) -> None:
        async with opener() as store:
            times = [(BEGIN_NS + n, BEGIN_NS + n + 10) for n in range(5)]
            await store.write([sample(n, n, started_ns=a, ended_ns=b) for n, (a, b) in enumerate(times)])
            assert await store.delete(Doomed(project="p", before_ns=times[2][1])) == 2
            assert len(await found_ids(store)) == 3

    async def test_many_at_once_are_all_kept_once(self, opener: Opener) -> None:
        async with opener() as store:
            writes = [[sample(n % 7, n), sample((n + 1) % 7, n + 1)] for n in range(60)]
            new = sum(await asyncio.gather(*map(store.write, writes)))
            assert new == 61 or not self.knows_new
            assert len(set(await found_ids(store))) == 61

    async def test_every_list_is_as_if_each_span_had_been_looked_at(self, opener: Opener) -> None:
        @_RANDOM
        @given(st.data())
        def check(data: st.DataObject) -> None:
            batches = data.draw(st.lists(spans_of_traces(), min_size=1, max_size=4))
            replace = data.draw(st.booleans())
            questions = data.draw(st.lists(finds(), min_size=1, max_size=8))
            asyncio.run(_compare_finds(opener, batches, questions, replace=replace))

        await asyncio.to_thread(check)

    async def test_every_aggregate_is_as_if_each_span_had_been_looked_at(self, opener: Opener) -> None:
        @_RANDOM
        @given(st.data())
        def check(data: st.DataObject) -> None:
            batches = data.draw(st.lists(spans_of_traces(), min_size=1, max_size=4))
            replace = data.draw(st.booleans())
            questions = data.draw(st.lists(aggregates(), min_size=1, max_size=8))
            asyncio.run(_compare_aggregates(opener, batches, questions, replace=replace))

        await asyncio.to_thread(check)


async def _compare_sums(opener: Opener, batches: list[list[Span]], *, replace: bool) -> None:
    model = PlainTraces()
    async with opener() as store:
        for batch in batches:
            await store.write(batch, replace=replace)
            model.write(batch, replace=replace)
            _, rows = model.found(Find(window=ALL, of="traces"))
            told = await sums_of(store)
            assert told == (sum(row.input_tokens for row in rows), sum(row.cost_nano_usd for row in rows))


async def _compare_finds(opener: Opener, batches: list[list[Span]], questions: list[Find], *, replace: bool) -> None:
    model = PlainTraces()
    async with opener() as store:
        for batch in batches:
            await store.write(batch, replace=replace)
            model.write(batch, replace=replace)
        for question in questions:
            found = await store.find(question)
            spans, traces = model.found(question)
            assert list(found.spans) == spans
            assert list(found.traces) == traces


async def _compare_aggregates(
    opener: Opener, batches: list[list[Span]], questions: list[Aggregate], *, replace: bool
) -> None:
    model = PlainTraces()
    async with opener() as store:
        for batch in batches:
            await store.write(batch, replace=replace)
            model.write(batch, replace=replace)
        for question in questions:
            assert await store.aggregate(question) == model.aggregated(question)
