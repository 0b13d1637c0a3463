"""Parents that go in a circle: it is broken at its earliest span, and no cost is lost in it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Find, Window
from switchgear.kernel.span import ToldSpan
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from switchgear.traces.parent_circles import circles_begin
from switchgear.traces.span_checks import NOTES
from tests.traces.spans import NOW_NS, ORIGIN, SECOND_NS, told

TOKENS = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1}


def circle(*numbers: int) -> list[ToldSpan]:
    """Model calls of which each is below the next, and the last below the first; they began in the order of numbers."""
    following = [*numbers[1:], numbers[0]]
    return [
        told(n, parent_id=f"{parent:016x}", started_ns=NOW_NS - SECOND_NS + n, attributes=TOKENS)
        for n, parent in zip(numbers, following, strict=True)
    ]


async def test_a_circle_of_calls_is_broken_at_the_earliest_and_its_cost_is_counted(tmp_path: Path) -> None:
    store = SqliteSpans(tmp_path / "traces.db")
    await store.start()
    way_in = Ingest(store, Normaliser(), lambda span: span, FrozenClock())
    await way_in.take(ORIGIN, [*circle(5, 3, 9), told(4, parent_id=f"{9:016x}")])
    window = Window(project="shop", since_ns=0, until_ns=1 << 62)
    (trace,) = (await store.find(Find(window=window, of="traces"))).traces
    assert (trace.span_count, trace.input_tokens, trace.output_tokens) == (4, 10, 1)
    whole = await store.read("shop", trace.trace_id, [f"{n:016x}" for n in (3, 4, 5, 9)])
    assert [span.parent_id for span in whole] == ["", f"{9:016x}", f"{3:016x}", f"{5:016x}"]
    assert [NOTES in span.attributes for span in whole] == [True, False, False, False]
    assert way_in.counts.mended == {("otlp", "parents_in_a_circle"): 1}
    await store.aclose()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 7), st.integers(0, 7), st.integers(0, 3)), max_size=12))
def test_each_circle_is_broken_once_and_nothing_else_is(drawn: list[tuple[int, int, int, int]]) -> None:
    spans = [
        told(number, trace, parent_id=f"{parent:016x}", started_ns=NOW_NS + begin)
        for trace, number, parent, begin in drawn
        if number != parent
    ]
    unlike = list({_name(span): span for span in spans}.values())
    found = circles_begin(unlike)
    assert circles_begin(_broken(unlike, found)) == set()
    for name in found:
        assert circles_begin(_broken(unlike, found - {name})) == {name}


def _broken(spans: list[ToldSpan], names: set[tuple[str, str]]) -> list[ToldSpan]:
    return [structs.replace(span, parent_id="") if _name(span) in names else span for span in spans]


def _name(span: ToldSpan) -> tuple[str, str]:
    return span.trace_id, span.span_id
