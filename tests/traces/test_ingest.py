"""The one way in: each span by itself, one write for all that waits, and no word of success before it."""

import asyncio
from base64 import b64decode
from collections.abc import Sequence

import pytest

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import Internal, Overloaded
from switchgear.kernel.query import Find, Window
from switchgear.kernel.span import Span, SpanEvent, ToldSpan
from switchgear.traces.ingest import Bounds, Ingest
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser
from switchgear.traces.span_checks import KEPT_CHARACTERS, MAX_VALUE_CHARACTERS, NOTES
from tests.traces.spans import NOW_NS, ORIGIN, SECOND_NS, ToldStore, told

DAY_NS = 86_400 * SECOND_NS
EVERYTHING = Window(project="shop", since_ns=0, until_ns=1 << 62)


def as_it_is(span: Span) -> Span:
    return span


def ingest(store: ToldStore, bounds: Bounds | None = None) -> Ingest:
    return Ingest(store, Normaliser(), as_it_is, FrozenClock(), bounds)


async def only_span(store: ToldStore) -> Span:
    (row,) = (await store.find(Find(window=EVERYTHING))).spans
    (span,) = await store.read("shop", row.trace_id, [row.span_id])
    return span


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_id": ""}, "no_ids"),
        ({"span_id": ""}, "no_ids"),
        ({"trace_id": "ab"}, "bad_ids"),
        ({"trace_id": "0" * 32}, "bad_ids"),
        ({"trace_id": "g" * 32}, "bad_ids"),
        ({"span_id": "0" * 16}, "bad_ids"),
        ({"span_id": "a" * 15}, "bad_ids"),
        ({"parent_id": "abc"}, "bad_ids"),
        ({"parent_id": f"{7:016x}"}, "its_own_parent"),
        ({"started_ns": 0}, "bad_times"),
        ({"started_ns": NOW_NS // 1_000_000}, "bad_times"),
        ({"started_ns": NOW_NS + DAY_NS + 1, "ended_ns": NOW_NS + DAY_NS + 2}, "in_the_future"),
        ({"ended_ns": 1 << 63}, "in_the_future"),
        ({"attributes": {f"a{n}": "x" * MAX_VALUE_CHARACTERS for n in range(9)}}, "too_large"),
        ({"attributes": {"deep": ["x" * 1000] * 10_000}}, "too_large"),
        ({"resource": {"env": "x" * 100_000}}, "too_large"),
    ],
)
async def test_a_span_that_cannot_be_kept_is_refused_by_reason_and_the_others_are_kept(
    changes: dict[str, object], reason: str
) -> None:
    store = ToldStore()
    way_in = ingest(store)
    taken = await way_in.take(ORIGIN, [told(1), told(7, **changes), told(3)])
    assert taken.accepted == 2
    assert [(each.place, each.reason) for each in taken.refused] == [(1, reason)]
    assert taken.refused[0].message
    assert store.writes == [[f"{1:016x}", f"{3:016x}"]]
    assert f'switchgear_spans_refused_total{{door="otlp",reason="{reason}"}} 1' in way_in.counts.exposition()


async def test_a_span_that_ends_before_it_starts_ends_when_it_starts_and_says_so() -> None:
    for ended_ns, note in ((NOW_NS - 2 * SECOND_NS, "end_before_start"), (0, "no_end")):
        store = ToldStore()
        way_in = ingest(store)
        await way_in.take(ORIGIN, [told(ended_ns=ended_ns, attributes={"a": 1})])
        span = await only_span(store)
        assert span.ended_ns == span.started_ns
        assert span.attributes == {"a": 1, NOTES: [note]}
        assert way_in.counts.mended == {("otlp", note): 1}


async def test_a_value_that_is_far_too_long_is_cut_and_the_span_kept() -> None:
    store = ToldStore()
    text, data = "x" * (5 * MAX_VALUE_CHARACTERS), bytes(5 * MAX_VALUE_CHARACTERS)
    event = SpanEvent(name="e", at_ns=1 << 63, attributes={"text": text})
    await ingest(store).take(ORIGIN, [told(attributes={"text": text, "data": data, "n": 1}, events=(event,))])
    span = await only_span(store)
    for values in (span.attributes, span.events[0].attributes):
        cut = str(values["text"])
        assert cut.startswith("x" * KEPT_CHARACTERS)
        assert cut.endswith(f"[{5 * MAX_VALUE_CHARACTERS - KEPT_CHARACTERS} more characters were cut]")
    assert b64decode(str(span.attributes["data"])) == data[:KEPT_CHARACTERS]
    assert (span.attributes["n"], span.attributes[NOTES]) == (1, ["value_cut"])
    assert span.events[0].at_ns == (1 << 63) - 1


async def test_a_parent_of_zeros_is_no_parent() -> None:
    store = ToldStore()
    await ingest(store).take(ORIGIN, [told(parent_id="0" * 16)])
    assert (await only_span(store)).parent_id == ""


async def test_what_the_sender_calls_its_project_stands_in_the_metadata() -> None:
    resource = {"openinference.project.name": "bot"}
    for origin, expected in ((ORIGIN, "bot"), (Origin(project="shop", door="otlp", sender_project="cat"), "cat")):
        store = ToldStore()
        await ingest(store).take(origin, [told(resource=resource)])
        assert (await only_span(store)).metadata == {"project": expected}


async def test_requests_that_come_while_one_is_written_are_written_together() -> None:
    go_on = asyncio.Event()
    store = ToldStore(go_on.wait)
    way_in = ingest(store)
    takes = [asyncio.create_task(way_in.take(ORIGIN, [told(span)])) for span in range(1, 6)]
    await until_writing(store)
    assert not any(take.done() for take in takes)
    go_on.set()
    assert [(await take).accepted for take in takes] == [1] * 5
    assert [len(write) for write in store.writes] == [5]

    go_on.clear()
    first = asyncio.create_task(way_in.take(ORIGIN, [told(10)]))
    await until_writing(store, 2)
    later = [asyncio.create_task(way_in.take(ORIGIN, [told(span)])) for span in (11, 12, 13)]
    await way_in_has(way_in, 4)
    go_on.set()
    await asyncio.gather(first, *later)
    assert [len(write) for write in store.writes] == [5, 1, 3]


async def test_spans_that_replace_others_are_not_written_with_those_that_do_not() -> None:
    go_on = asyncio.Event()
    store = ToldStore(go_on.wait)
    way_in = ingest(store)
    first = asyncio.create_task(way_in.take(ORIGIN, [told(1, name="first")]))
    await until_writing(store)
    second = asyncio.create_task(way_in.take(ORIGIN, [told(1, name="second")], replace=True))
    await way_in_has(way_in, 2)
    third = asyncio.create_task(way_in.take(ORIGIN, [told(1, name="third")]))
    await way_in_has(way_in, 3)
    go_on.set()
    await asyncio.gather(first, second, third)
    assert len(store.writes) == 3
    assert (await only_span(store)).name == "second"


async def test_while_too_much_waits_senders_are_told_when_to_come_again() -> None:
    go_on = asyncio.Event()
    store = ToldStore(go_on.wait)
    way_in = ingest(store, Bounds(max_waiting_spans=2, behind_seconds=3))
    takes = [asyncio.create_task(way_in.take(ORIGIN, [told(span)])) for span in (1, 2)]
    await way_in_has(way_in, 2)
    with pytest.raises(Overloaded) as refused:
        await way_in.take(ORIGIN, [told(3)])
    assert refused.value.retry_after_seconds == 3
    assert way_in.counts.turned_away == {("otlp", "behind"): 1}
    go_on.set()
    await asyncio.gather(*takes)
    assert (await way_in.take(ORIGIN, [told(3)])).accepted == 1


async def test_bytes_that_wait_are_bounded_too() -> None:
    go_on = asyncio.Event()
    way_in = ingest(ToldStore(go_on.wait), Bounds(max_waiting_bytes=10_000))
    large = {"text": "x" * 9_000}
    first = asyncio.create_task(way_in.take(ORIGIN, [told(1, attributes=large)]))
    await way_in_has(way_in, 1)
    with pytest.raises(Overloaded):
        await way_in.take(ORIGIN, [told(2, attributes=large)])
    go_on.set()
    await first


async def test_a_full_disk_is_told_with_a_time_to_come_again_and_nothing_was_taken() -> None:
    store = ToldStore(no_space)
    way_in = ingest(store)
    with pytest.raises(Overloaded, match="No space left") as refused:
        await way_in.take(ORIGIN, [told(1)])
    assert refused.value.retry_after_seconds == 5
    store.before = None
    assert (await way_in.take(ORIGIN, [told(1)])).accepted == 1
    assert way_in.counts.taken == {"otlp": 1}


async def test_a_span_that_breaks_the_store_breaks_nobody_elses_request() -> None:
    class Picky(ToldStore):
        async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
            if any(span.name == "poison" for span in spans):
                self.writes.append([])
                raise ZeroDivisionError
            return await super().write(spans, replace=replace)

    store = Picky()
    way_in = ingest(store)
    good, bad, other = await asyncio.gather(
        *(way_in.take(ORIGIN, [told(n, name=name)]) for n, name in ((1, "a"), (2, "poison"), (3, "b"))),
        return_exceptions=True,
    )
    assert isinstance(bad, Internal)
    assert not isinstance(good, BaseException)
    assert not isinstance(other, BaseException)
    assert way_in.counts.waiting == 0


async def test_many_spans_are_understood_beside_the_loop() -> None:
    store = ToldStore()
    spans: list[ToldSpan] = [told(n) for n in range(1, 1001)]
    assert (await ingest(store).take(ORIGIN, spans)).accepted == 1000


async def test_closing_waits_for_what_was_taken_although_its_sender_is_gone() -> None:
    go_on = asyncio.Event()
    store = ToldStore(go_on.wait)
    way_in = ingest(store)
    take = asyncio.create_task(way_in.take(ORIGIN, [told(1)]))
    await until_writing(store)
    take.cancel()
    closing = asyncio.create_task(way_in.aclose())
    go_on.set()
    await closing
    assert (await only_span(store)).span_id == f"{1:016x}"


def no_space() -> None:
    raise OSError(28, "No space left on device")


async def until_writing(store: ToldStore, times: int = 1) -> None:
    while len(store.writes) < times:
        await asyncio.sleep(0)


async def way_in_has(way_in: Ingest, spans: int) -> None:
    while way_in.counts.waiting < spans:
        await asyncio.sleep(0)
