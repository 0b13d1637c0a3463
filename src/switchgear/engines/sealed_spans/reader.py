"""Questions that sealed spans answer alone or together with those in the tables."""

import errno
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from switchgear.engines.sealed_spans import conditions
from switchgear.engines.sealed_spans.checking import fault_of, size_of
from switchgear.engines.sealed_spans.conditions import said_table, words_of
from switchgear.engines.sealed_spans.parquet import Parquet, Tables, arrays, numbers, source
from switchgear.engines.sealed_spans.rows import CORE_TYPES, PAYLOAD_TYPES, WHOLE, Rows, numbers_in, whole_span
from switchgear.engines.sealed_spans.segment import Files, segment_name, sweep
from switchgear.engines.sealed_spans.words import spans_that_say, write_words
from switchgear.engines.sqlite_spans import questions
from switchgear.engines.sqlite_spans.finding import SHOWN, found_spans, found_traces, span_row
from switchgear.engines.sqlite_spans.making import Closed, Place, Segments
from switchgear.engines.sqlite_spans.measuring import grouped
from switchgear.engines.sqlite_spans.newest import must_words
from switchgear.engines.sqlite_spans.questions import Condition, place_of
from switchgear.engines.sqlite_spans.reading import BARE, Kept, bare_span
from switchgear.engines.sqlite_spans.sealed_tables import BrokenSegment, Look, Segment
from switchgear.engines.sqlite_spans.summary import unpack
from switchgear.kernel.query import Aggregate, Filter, Find, Found, Group, SpanRow, TraceRow

_SPAN_NAMES: Final = (
    "trace_id", "span_id", "parent_id", "name", "kind", "started_ns", "duration_ns", "status", "status_message",
    "model", "provider", "user", "session", "input_tokens", "output_tokens", "cost_nano_usd", "cost_source",
    "first_token_ns", "counted", "input_preview", "output_preview", "tags", "child_count",
)  # fmt: skip
_SUMMARY: Final = (
    "SELECT t.summary FROM traces t JOIN projects p ON p.id = t.project WHERE p.name = ? AND t.trace_id = ?"
)


_Place = TypeVar("_Place", tuple[int, str], tuple[int, str, str])
"""Where a row stands in its list: when it began, and ids."""


class SealedSpans:
    """Segments in a folder.

    With a ``mark``, what is written stays under the names of unfinished files, which have it: another process finishes
    them.
    """

    def __init__(self, folder: Path, mark: str = "") -> None:
        self.folder = folder
        self._mark = mark
        # Two engines would take each other's files away.
        self._parquet = Parquet(folder / (".spill-beside" if mark else ".spill"))
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._parquet.close()

    def write(self, place: Place, traces: Sequence[Closed]) -> str:
        name = segment_name(place.project, place.project_number, place.day, place.number)
        rows = Rows()
        for closed in traces:
            if self._stopping.is_set():
                raise OSError(errno.ECANCELED, "sealing was stopped", name)
            rows.add(closed.trace, closed.started_ns, closed.spans)
        files = Files(self.folder, name, self._mark)
        files.make_room()
        core, payload, words = files.unfinished
        self._parquet.write(core, CORE_TYPES, rows.ordered())
        self._parquet.write(payload, PAYLOAD_TYPES, rows.payload)
        write_words(words, rows.words, rows.links)
        if not self._mark:
            files.finish()
        return name

    def sweep(self, names: Sequence[str]) -> None:
        sweep(self.folder, names)

    def look(self, segment: str, traces: Mapping[int, int], *, whole: bool) -> Look:
        files = Files(self.folder, segment)
        size_bytes = 0
        try:
            size_bytes = size_of(files)
            return Look(size_bytes=size_bytes, fault=fault_of(self._parquet, files, traces) if whole else "")
        except FileNotFoundError as error:
            return Look(size_bytes=size_bytes, fault=f"{Path(error.filename or segment).name} is not there")
        except BrokenSegment as error:
            return Look(size_bytes=size_bytes, fault=str(error))

    def find(self, connection: sqlite3.Connection, question: Find, segments: Sequence[Segment]) -> Found:
        if question.of == "traces":
            return self._traces(connection, question, segments)
        hot = found_spans(connection, question)
        if not segments:
            return hot
        rows = {(row.started_ns, row.trace_id, row.span_id): row for row in hot.spans}
        numbers_of: dict[tuple[int, str, str], int] = dict.fromkeys(rows, 0)
        for some in _nearest_first(question, segments, numbers_of, more=bool(hot.after)):
            numbers_of |= self._span_places(question, some)
        places, after = _page(question, numbers_of, more=bool(hot.after))
        rows |= self._shown([(place[0], numbers_of[place]) for place in places if place not in rows], segments)
        return Found(spans=tuple(rows[place] for place in places), after=after)

    def scan(self, connection: sqlite3.Connection, question: Aggregate, segments: Sequence[Segment]) -> list[Group]:
        names = _asked_columns(question)
        tables, saying = self._said(question.where, segments)
        # Where nobody says it, one segment tells what columns there are.
        segments = saying or segments[:1]
        hot = questions.within(question.window, question.where)
        shown = ", ".join(name if name == "trace_id" else f"s.{name}" for name in names)
        rows = connection.execute(
            f"SELECT {shown} FROM spans s JOIN traces t ON t.id = s.trace WHERE {hot.sql}", hot.bound
        ).fetchall()
        fitting = conditions.within(question.window, question.where, segments)
        told = f"SELECT {_quoted(names)} FROM {_source(self.folder, segments)} s WHERE {fitting.sql}"
        if rows:
            types = {name: CORE_TYPES[name] for name in names}
            tables["hot"] = arrays(types, rows)
            typed = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in types.items())
            told = f"SELECT {typed} FROM hot UNION ALL {told}"
        with self._parquet.cursor(tables) as ask:
            return grouped(ask, Condition(f"({told}) s", fitting.bound), question)

    def kept(
        self, segment: str, trace: int, names: tuple[str, str], span_ids: Sequence[str] | None = None
    ) -> list[Kept]:
        files = Files(self.folder, segment)
        wanted = [*map(str, BARE), *map(str, WHOLE)]
        some = "" if span_ids is None else f" AND span_id IN ({', '.join('?' * len(span_ids))})"
        core = f"SELECT {_quoted(wanted)} FROM {source([files.core])} WHERE trace = ?{some} ORDER BY id"
        if span_ids is not None and not span_ids:
            return []
        with self._parquet.cursor({}) as ask:
            told = ask(core, (trace, *(span_ids or ())))
        rows: list[dict[str, Any]] = [dict(zip(wanted, row, strict=True)) for row in told]
        parts = self._parts(files.payload, sorted(set(numbers_in(rows))))
        return [Kept(row["id"], whole_span(row, parts, names), counts=bool(row["counts"])) for row in rows]

    def bare(self, segment: str, traces: Mapping[int, tuple[str, str]]) -> list[Kept]:
        core = source([Files(self.folder, segment).core])
        some = "trace IN (SELECT i FROM wanted) AND trace BETWEEN ? AND ?"
        bounds = (min(traces), max(traces))
        with self._parquet.cursor({"wanted": numbers(list(traces))}) as ask:
            rows = ask(f"SELECT trace, {_quoted(BARE)} FROM {core} WHERE {some}", bounds)
        told = [(row[0], dict(zip(map(str, BARE), row[1:], strict=True))) for row in rows]
        return [Kept(row["id"], bare_span(row, traces[trace]), counts=bool(row["counts"])) for trace, row in told]

    def traces_of_user(self, segments: Sequence[Segment], user: str, limit: int) -> list[int]:
        sql = f"SELECT DISTINCT trace FROM {_source(self.folder, segments)} s WHERE s.user = ? LIMIT ?"
        with self._parquet.cursor({}) as ask:
            return [trace for (trace,) in ask(sql, (user, limit))]

    def _span_places(self, question: Find, segments: Sequence[Segment]) -> dict[tuple[int, str, str], int]:
        """Starts, ids and numbers of spans that fit, one more than the page has room for."""
        tables, segments = self._said(question.where, segments)
        if not segments:
            return {}
        fitting = conditions.within(question.window, question.where, segments)
        down, less = ("DESC", "<") if question.newest_first else ("ASC", ">")
        if question.after:
            fitting.sql += f" AND (s.started_ns, s.trace_id, s.span_id) {less} (?, ?, ?)"
            fitting.bound += place_of(question.after, 3)
        sql = (
            f"SELECT s.started_ns, s.trace_id, s.span_id, s.id FROM {_source(self.folder, segments)} s "
            f"WHERE {fitting.sql} ORDER BY 1 {down}, 2 {down}, 3 {down} LIMIT ?"
        )
        with self._parquet.cursor(tables) as ask:
            rows = ask(sql, (*fitting.bound, question.limit + 1))
        return {(started_ns, trace_id, span_id): number for started_ns, trace_id, span_id, number in rows}

    def _shown(
        self, spans: Sequence[tuple[int, int]], segments: Sequence[Segment]
    ) -> dict[tuple[int, str, str], SpanRow]:
        """Spans by their starts and numbers: the many columns of a list are read of these few alone."""
        if not spans:
            return {}
        times = [started_ns for started_ns, _ in spans]
        some = [each for each in segments if each.first_ns <= max(times) and each.last_ns >= min(times)]
        # Of a joined table DuckDB knows which places hold none of its numbers; of a list it would read all of them.
        sql = f"SELECT {SHOWN}, s.child_count FROM {_source(self.folder, some)} s WHERE s.id IN (SELECT i FROM wanted)"
        with self._parquet.cursor({"wanted": numbers([number for _, number in spans])}) as ask:
            rows = [span_row(_SPAN_NAMES, row) for row in ask(sql, ())]
        return {(row.started_ns, row.trace_id, row.span_id): row for row in rows}

    def _traces(self, connection: sqlite3.Connection, question: Find, segments: Sequence[Segment]) -> Found:
        hot = found_traces(connection, question)
        if not segments:
            return hot
        traces: dict[tuple[int, str], TraceRow] = {(row.started_ns, row.trace_id): row for row in hot.traces}
        for some in _nearest_first(question, segments, traces, more=bool(hot.after)):
            for place in self._trace_places(question, some):
                (summary,) = connection.execute(_SUMMARY, (question.window.project, place[1])).fetchone()
                traces[place] = unpack(summary).row(place[1])
        places, after = _page(question, traces, more=bool(hot.after))
        return Found(traces=tuple(traces[place] for place in places), after=after)

    def _trace_places(self, question: Find, segments: Sequence[Segment]) -> list[tuple[int, str]]:
        """Starts and ids of traces with a span that fits, one more than the page has room for."""
        tables, segments = self._said(question.where, segments)
        if not segments:
            return []
        fitting = conditions.within(question.window, question.where, segments)
        if question.where is None:
            # Those that began within the window are known from their own table.
            fitting.sql += " AND s.trace_started_ns < ?"
            fitting.bound.append(question.window.since_ns)
        down, less = ("DESC", "<") if question.newest_first else ("ASC", ">")
        if question.after:
            fitting.sql += f" AND (s.trace_started_ns, s.trace_id) {less} (?, ?)"
            fitting.bound += place_of(question.after, 2)
        sql = (
            f"SELECT DISTINCT s.trace_started_ns, s.trace_id FROM {_source(self.folder, segments)} s "
            f"WHERE {fitting.sql} ORDER BY 1 {down}, 2 {down} LIMIT ?"
        )
        with self._parquet.cursor(tables) as ask:
            return [(started_ns, trace_id) for started_ns, trace_id in ask(sql, (*fitting.bound, question.limit + 1))]

    def _said(self, where: Filter | None, segments: Sequence[Segment]) -> tuple[Tables, Sequence[Segment]]:
        """For each word that is asked for, which spans say it; and the segments in which one may fit."""
        said, must = words_of(where), must_words(where)
        if not said:
            return {}, segments
        found: dict[str, list[int]] = {word: [] for word in said}
        fitting: list[Segment] = []
        for segment in segments:
            spans = spans_that_say(Files(self.folder, segment.name).words, said, must)
            if spans is None:
                continue
            fitting.append(segment)
            for word in said:
                found[word] += spans[word]
        return {said_table(word, said): numbers(found[word]) for word in said}, fitting

    def _parts(self, path: Path, wanted: list[int]) -> dict[int, bytes]:
        if not wanted:
            return {}
        some = "number IN (SELECT i FROM wanted) AND number BETWEEN ? AND ?"
        with self._parquet.cursor({"wanted": numbers(wanted)}) as ask:
            rows = ask(f"SELECT number, data FROM {source([path])} WHERE {some}", (wanted[0], wanted[-1]))
        return {number: bytes(data) for number, data in rows}


def _nearest_first(
    question: Find, segments: Sequence[Segment], found: Mapping[_Place, object], *, more: bool
) -> Iterator[Sequence[Segment]]:
    """Some segments at a time, until the page is full of what lies before all others.

    ``found`` grows meanwhile; ``more``: the tables have more than they told.
    """
    newest = question.newest_first
    if question.after:
        cursor_ns = int(question.after.split(".")[0])
        segments = [each for each in segments if (each.first_ns <= cursor_ns if newest else each.last_ns >= cursor_ns)]
    waiting = sorted(segments, key=lambda each: each.last_ns if newest else each.first_ns, reverse=newest)
    count = 1
    while waiting:
        places = sorted(found, reverse=newest)
        if len(places) >= question.limit and (more or len(places) > question.limit):
            edge_ns = places[question.limit - 1][0]
            if waiting[0].last_ns < edge_ns if newest else waiting[0].first_ns > edge_ns:
                return
        yield waiting[:count]
        # Where little fits, few questions to many files cost less than many to few.
        waiting, count = waiting[count:], 2 * count


def _page(question: Find, found: Mapping[_Place, object], *, more: bool) -> tuple[list[_Place], str]:
    """The places on a page, and the cursor of the next one."""
    places = sorted(found, reverse=question.newest_first)
    more, places = more or len(places) > question.limit, places[: question.limit]
    return places, ".".join(map(str, places[-1])) if more else ""


def _source(folder: Path, segments: Sequence[Segment]) -> str:
    """The rows of segments that are to be read there, as a table."""
    whole = [Files(folder, each.name).core for each in segments if not each.gone and not each.trace]
    told = [f"SELECT * FROM {source(whole)}"] if whole else []
    for each in segments:
        core = source([Files(folder, each.name).core])
        if each.trace:
            told.append(f"SELECT * FROM {core} WHERE trace = {each.trace:d}")
        elif each.gone:
            told.append(f"SELECT * FROM {core} WHERE trace NOT IN ({', '.join(f'{trace:d}' for trace in each.gone)})")
    return f"({' UNION ALL '.join(told)})"


def _quoted(names: Iterable[str]) -> str:
    """Some are also words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def _asked_columns(question: Aggregate) -> list[str]:
    """Of ``spans``, whatever the question groups by or measures."""
    fields = {*question.by, *(measure.field for measure in question.measures if measure.field)}
    also = {"ended_ns"} if "duration_ns" in fields else set[str]()
    return sorted((fields - {"duration_ns"}) | also | {"started_ns", "status", "counts", "trace"})


if TYPE_CHECKING:
    _: type[Segments] = SealedSpans
