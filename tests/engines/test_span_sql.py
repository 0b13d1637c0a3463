"""The SQL of questions about spans, run by DuckDB in memory, answers as looking at every span does."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, TypeVar

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.engines.span_sql.aggregating import aggregated
from switchgear.engines.span_sql.columns import COLUMNS, row_of
from switchgear.engines.span_sql.dialect import Asking, Source
from switchgear.engines.span_sql.finding import found
from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import Aggregate, Compare, Find, Found, Group, Measure, Window, checked
from switchgear.kernel.span import Span
from switchgear.testing.trace_store_model import PlainTraces
from switchgear.testing.trace_store_samples import BEGIN_NS, aggregates, finds, sample, spans_of_traces
from tests.engines.duckdb_dialect import DuckDb

ALL = Window(project="p", since_ns=0, until_ns=2**62)
_TYPES = {
    "text": "VARCHAR NOT NULL",
    "integer": "BIGINT NOT NULL",
    "optional": "BIGINT",
    "boolean": "BOOLEAN NOT NULL",
    "texts": "VARCHAR[] NOT NULL",
}
START = list(COLUMNS).index("started_ns")
_Answer = TypeVar("_Answer")


class Table:
    """Spans in a table of DuckDB."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        columns = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in COLUMNS.items())
        self._connection.execute(f"CREATE TABLE told ({columns})")
        self._connection.execute("CREATE TABLE ever AS SELECT *, 1 AS version, FALSE AS gone, FALSE AS moved FROM told")
        self.source = Source("told", DuckDb())
        self.fill(spans)

    def fill(self, spans: Iterable[Span]) -> None:
        """These and no others."""
        self._put("told", [row_of(span) for span in spans])

    def rewrite(self, batches: Iterable[Iterable[Span]]) -> None:
        """Each in the place of those before it, which are still there."""
        rows: dict[tuple[str, str, str], list[list[Any]]] = {}
        for span in chain.from_iterable(batches):
            older = rows.setdefault((span.project, span.trace_id, span.span_id), [])
            # A row that took another's place says that the span moved, if it did.
            moved = bool(older) and older[-1][START] != span.started_ns
            for row in older:
                row[-2] = True
            older.append([*row_of(span), len(older) + 1, False, moved])
        self._put("ever", list(chain.from_iterable(rows.values())))
        self.source = Source(
            "(SELECT * FROM ever WHERE NOT gone)", DuckDb(), written="ever", version="version", moved="moved"
        )

    def _put(self, table: str, rows: list[Any]) -> None:
        self._connection.execute(f"DELETE FROM {table}")
        if rows:
            self._connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def answer(self, asking: Asking[_Answer]) -> _Answer:
        rows: Any = None
        while True:
            try:
                statement = asking.send(rows)
            except StopIteration as done:
                return done.value
            rows = self._connection.execute(statement.sql, dict(statement.bound)).fetchall()

    def find(self, question: Find) -> Found:
        return self.answer(found(checked(question), self.source))

    def aggregate(self, question: Aggregate) -> list[Group]:
        return self.answer(aggregated(checked(question), self.source))


def kept(batches: Iterable[list[Span]]) -> tuple[PlainTraces, list[Span]]:
    """The model with these spans, and each of them once."""
    model, spans = PlainTraces(), dict[tuple[str, str, str], Span]()
    for batch in batches:
        model.write(batch, replace=False)
        for span in batch:
            spans.setdefault((span.project, span.trace_id, span.span_id), span)
    return model, list(spans.values())


def test_every_list_is_as_if_each_span_had_been_looked_at() -> None:
    table = Table()

    @settings(deadline=None, max_examples=25)
    @given(spans_of_traces(), st.lists(finds(), min_size=1, max_size=8))
    def check(batch: list[Span], questions: list[Find]) -> None:
        model, spans = kept([batch])
        table.fill(spans)
        for question in questions:
            answer = table.find(question)
            assert (list(answer.spans), list(answer.traces)) == model.found(question)

    check()


def test_every_aggregate_is_as_if_each_span_had_been_looked_at() -> None:
    table = Table()

    @settings(deadline=None, max_examples=25)
    @given(spans_of_traces(), st.lists(aggregates(), min_size=1, max_size=8))
    def check(batch: list[Span], questions: list[Aggregate]) -> None:
        model, spans = kept([batch])
        table.fill(spans)
        for question in questions:
            assert table.aggregate(question) == model.aggregated(question)

    check()


def test_rows_that_were_replaced_are_in_no_list() -> None:
    table = Table()

    @settings(deadline=None, max_examples=25)
    @given(st.lists(spans_of_traces(), min_size=2, max_size=4), st.lists(finds(), min_size=1, max_size=8))
    def check(batches: list[list[Span]], questions: list[Find]) -> None:
        model = PlainTraces()
        for batch in batches:
            model.write(batch, replace=True)
        table.rewrite(batches)
        for question in questions:
            answer = table.find(question)
            assert (list(answer.spans), list(answer.traces)) == model.found(question)

    check()


@pytest.mark.parametrize("of", ["spans", "traces"])
def test_a_page_is_full_though_much_of_what_was_written_was_replaced(of: Any) -> None:
    table, first = Table(), [sample(number, number, user="old") for number in range(8)]
    table.rewrite([first, [sample(number, number, user="new") for number in (1, 5, 6, 7)]])
    page = table.find(Find(window=ALL, where=Compare(field="user", value="old"), of=of, limit=3))
    assert [row.trace_id[-1] for row in page.spans or page.traces] == ["4", "3", "2"]
    assert page.after


def test_a_trace_stands_where_its_spans_are_now() -> None:
    table = Table()
    moved = [sample(0, 0, started_ns=BEGIN_NS + 10), sample(3, 3, started_ns=BEGIN_NS)]
    table.rewrite([[sample(number, number) for number in range(4)], moved])
    page = table.find(Find(window=ALL, of="traces"))
    assert [row.trace_id[-1] for row in page.traces] == ["0", "2", "1", "3"]


@pytest.mark.parametrize("of", ["spans", "traces"])
@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_hold_each_row_once(of: Any, newest_first: bool) -> None:
    table = Table(sample(number % 20, number, started_ns=BEGIN_NS + number // 4) for number in range(50))
    seen: list[tuple[object, ...]] = []
    after = ""
    while True:
        page = table.find(Find(window=ALL, of=of, limit=7, newest_first=newest_first, after=after))
        seen += [(row.started_ns, row.trace_id, row.span_id) for row in page.spans]
        seen += [(row.started_ns, row.trace_id) for row in page.traces]
        after = page.after
        if not after:
            break
    assert seen == sorted(set(seen), reverse=newest_first)
    assert len(seen) == (50 if of == "spans" else 20)


@pytest.mark.parametrize("after", ["nonsense", "1", "x.y.z", "9" * 30 + ".a.b", "1.a.b.c"])
def test_a_cursor_that_is_none_is_refused(after: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        Table().find(Find(window=ALL, after=after))


def test_a_value_is_no_sql() -> None:
    evil = "'; DROP TABLE told; --"
    table = Table([sample(1, 1, user=evil), sample(1, 2)])
    answer = table.find(Find(window=ALL, where=Compare(field="user", value=evil)))
    assert [row.user for row in answer.spans] == [evil]
    assert len(table.find(Find(window=ALL)).spans) == 2


def test_a_quantile_is_at_the_rank_that_its_float_gives() -> None:
    table = Table(sample(1, number, ended_ns=BEGIN_NS + 2 * number) for number in range(100))
    measure = Measure(reduction="quantile", field="duration_ns", q=0.55)
    # 0.55 * 100 is a little more than 55.
    (group,) = table.aggregate(Aggregate(window=ALL, measures=(measure,)))
    assert group.measures == (55,)


def test_sums_may_have_more_than_64_bits() -> None:
    table = Table([sample(1, 1, kind="llm", usage=Usage(input=2**53), cost_nano_usd=2**53)])
    table.source = Source("(SELECT told.* FROM told, range(1025))", DuckDb())
    measures = (Measure(reduction="sum", field="cost_nano_usd"), Measure(reduction="mean", field="input_tokens"))
    (group,) = table.aggregate(Aggregate(window=ALL, measures=measures))
    assert group.measures == (1025 * 2**53, 2.0**53)


def test_buckets_before_1970_begin_before_their_spans() -> None:
    table = Table([sample(1, 1, started_ns=-1, ended_ns=0)])
    window = Window(project="p", since_ns=-(10**9), until_ns=1)
    (group,) = table.aggregate(Aggregate(window=window, bucket="hour", measures=(Measure(reduction="count"),)))
    assert group.bucket_ns == -3_600_000_000_000
