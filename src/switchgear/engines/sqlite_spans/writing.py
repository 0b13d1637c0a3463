"""One transaction's work: spans into every table that answers questions about them, and out of them again."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from switchgear.engines.sqlite_spans.columns import INSERT, Value, row_of
from switchgear.engines.sqlite_spans.contents import Contents
from switchgear.engines.sqlite_spans.counting import Counting
from switchgear.engines.sqlite_spans.facets import Facets, labels_of
from switchgear.engines.sqlite_spans.numbers import Numbers
from switchgear.engines.sqlite_spans.packing import Details, Packer, events_of, usage_numbers
from switchgear.engines.sqlite_spans.reading import Kept, bare_spans, whole_spans
from switchgear.engines.sqlite_spans.rollups import Rollups
from switchgear.engines.sqlite_spans.sealed_tables import (
    WITHOUT_DUCKDB,
    Away,
    BrokenSegment,
    Sealed,
    State,
    WithoutDuckDb,
    count_of,
    forget_left,
    segment_of,
    set_state,
)
from switchgear.engines.sqlite_spans.summary import Summary, new_summary, pack, unpack
from switchgear.kernel.span import Span

Name = tuple[str, str]
"""Of a trace: its project, and its own id."""
_DELETED_AT_ONCE: Final = 500
_UPSERT_TRACE: Final = (
    "INSERT INTO traces (id, project, trace_id, started_ns, last_started_ns, ended_ns, summary) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET started_ns = excluded.started_ns, "
    "last_started_ns = excluded.last_started_ns, ended_ns = excluded.ended_ns, summary = excluded.summary"
)


class Writing:
    """Spans in and out, on the writer's connection, within a transaction that the caller begins and ends."""

    def __init__(self, connection: sqlite3.Connection, sealed: Sealed | None) -> None:
        """``sealed``: where sealed spans are read; None where nothing can read them."""
        self._connection = connection
        self._sealed = sealed
        self._log = logging.getLogger("switchgear.traces")
        self._contents = Contents(connection)
        self._rollups = Rollups()
        self._facets = Facets()
        self._packer = Packer()
        self._counting = Counting(connection, self._rollups)
        self._projects: dict[str, int] = {}
        self._numbers = Numbers(connection)
        self._spans: list[tuple[Value, ...]] = []
        self._details: list[tuple[int, bytes]] = []
        self._links: list[tuple[int, int]] = []
        self._labels: list[tuple[int, int, int]] = []
        self._traces: list[tuple[Value, ...]] = []

    def forget(self) -> None:
        """Drop all that is not in the tables: the transaction was undone."""
        self._contents.forget()
        self._rollups.forget()
        self._facets.forget()
        self._projects.clear()
        self._numbers.forget()
        for rows in (self._spans, self._details, self._links, self._labels, self._traces):
            rows.clear()

    def write(self, requests: Sequence[Sequence[Span]], *, replace: bool) -> list[int]:
        """How many of each request's spans were new."""
        traces: dict[Name, dict[str, tuple[int, Span]]] = {}
        for owner, spans in enumerate(requests):
            for span in spans:
                trace = traces.setdefault((span.project, span.trace_id), {})
                if replace or span.span_id not in trace:
                    trace[span.span_id] = (owner, span)
        self._foresee(traces)
        new = [0] * len(requests)
        for name, fresh in traces.items():
            for owner in self._write_trace(name, fresh, replace=replace):
                new[owner] += 1
            if replace:
                # What the next trace gives up is looked for in the tables.
                self.bring_into_tables()
        self.bring_into_tables()
        return new

    def _foresee(self, traces: dict[Name, dict[str, tuple[int, Span]]]) -> None:
        said: dict[str, list[bytes]] = {}
        for (project, _), fresh in traces.items():
            parts = said.setdefault(project, [])
            for _, span in fresh.values():
                parts += span.input.parts
                parts += span.output.parts
        for project, parts in said.items():
            self._contents.foresee(self._project(project), parts)

    def finish(self) -> None:
        """What is written once for all requests of a transaction."""
        self._rollups.write(self._connection)
        self._facets.write(self._connection)
        self._numbers.keep()

    def delete(self, traces: Iterable[tuple[int, int, Name]], *, state: State = "erased") -> int:
        """Delete whole traces (numbers of project and trace, and names); rollups stay. How many spans.

        ``state`` is what becomes of those that are sealed.
        """
        count = 0
        sealed: dict[tuple[int, str], dict[int, Name]] = {}
        for project, trace, name in traces:
            forget_left(self._connection, trace, state)
            place = segment_of(self._connection, trace)
            if place is not None:
                sealed.setdefault((place.number, place.name), {})[trace] = name
                continue
            unused: set[int] = set()
            for span_ids in self._portions_of(trace):
                for kept in list(whole_spans(self._connection, trace, name, span_ids)):
                    unused |= self._take_out(project, kept)
                count += len(span_ids)
            self._connection.execute("DELETE FROM traces WHERE id = ?", (trace,))
            self._contents.drop_unused(project, unused)
        for (segment, file), names in sealed.items():
            count += self._delete_sealed(segment, file, names, state)
        return count

    def bring_back(self, trace: int, name: Name) -> bool:
        """A sealed trace lies in the tables again; False where nothing can read it."""
        place = segment_of(self._connection, trace)
        if place is None:
            return True
        if self._sealed is None:
            return False
        project = self._project(name[0])
        for kept in self._sealed.kept(place.name, trace, name):
            self._add_rows(project, trace, kept)
        self.bring_into_tables()
        set_state(self._connection, place.number, trace, "left")
        return True

    def take_away(self, project: int, traces: Mapping[int, Sequence[Away]]) -> None:
        """Rows of all spans of some traces go; those of the traces, rollups and facets stay."""
        execute = self._connection.executemany
        spans = [away for some in traces.values() for away in some]
        execute("DELETE FROM spans WHERE trace = ?", [(trace,) for trace in traces])
        execute("DELETE FROM details WHERE span = ?", [(away.number,) for away in spans])
        links = sorted((content, away.number) for away in spans for content in away.contents)
        execute("DELETE FROM links WHERE content = ? AND span = ?", links)
        labels = sorted((project, label, away.number) for away in spans for label in away.labels)
        execute("DELETE FROM labels WHERE project = ? AND label = ? AND span = ?", labels)
        self._contents.drop_unused(project, {content for content, _ in links})

    def numbered(self, name: Name, spans: Mapping[str, Span]) -> tuple[int, int, tuple[Kept, ...]] | None:
        """All spans of a trace that is not known yet, with numbers of their own and of project and trace; else None."""
        project = self._project(name[0])
        if self._is_known(project, name[1]):
            return None
        outdone = self._counting.outdone_among(spans, None)
        trace = self._trace_number()
        return (
            project,
            trace,
            tuple(
                Kept(self._span_number(), span, counts=span.counted and span.span_id not in outdone)
                for span in spans.values()
            ),
        )

    def tell(self, project: int, trace: int, name: Name, spans: Sequence[Kept]) -> bool:
        """A trace that lies sealed comes into its row, rollups and facets; False of one that became known meanwhile."""
        if self._is_known(project, name[1]):
            return False
        summary = new_summary(spans[0].span)
        for kept in spans:
            summary.add(kept.span, counts=kept.counts)
            self._rollups.add(project, kept.span, 1, counts=kept.counts)
            self._facets.add(project, kept.span, 1)
        self._keep_trace(project, trace, name, summary)
        return True

    def last_span(self) -> int:
        """The number of the span that was written last."""
        return self._numbers.last("spans")

    def _delete_sealed(self, segment: int, file: str, names: dict[int, Name], state: State) -> int:
        if self._sealed is None:
            raise WithoutDuckDb
        try:
            spans = self._sealed.bare(file, names)
        except (BrokenSegment, FileNotFoundError) as error:
            # What grows old, or is to be forgotten, must not stay because of it.
            self._log.error("facets keep counting %d traces that are deleted: %s", len(names), error)
            spans = []
        for kept in spans:
            self._facets.add(self._project(kept.span.project), kept.span, -1)
        for trace in names:
            set_state(self._connection, segment, trace, state)
            self._connection.execute("DELETE FROM traces WHERE id = ?", (trace,))
        return count_of(self._connection, segment, names)

    def _write_trace(self, name: Name, fresh: dict[str, tuple[int, Span]], *, replace: bool) -> list[int]:
        """Owners of the spans that were new."""
        project = self._project(name[0])
        row = self._connection.execute(
            "SELECT id, summary FROM traces WHERE project = ? AND trace_id = ?", (project, name[1])
        ).fetchone()
        trace = self._trace_number() if row is None else int(row[0])
        if row is not None and not self._is_in_tables(trace, name, len(fresh)):
            return []
        summary = None if row is None else unpack(row[1])
        owners = [owner for owner, _ in fresh.values()]
        if summary is not None:
            known = self._known(trace, fresh)
            owners = [owner for span_id, (owner, _) in fresh.items() if span_id not in known]
            if replace and known:
                summary = self._take_out_some(project, trace, name, known)
            elif known:
                fresh = {span_id: told for span_id, told in fresh.items() if span_id not in known}
        spans = {span_id: span for span_id, (_, span) in fresh.items()}
        if not spans:
            return owners
        summary = summary or new_summary(next(iter(spans.values())))
        counting = self._counting.of_trace(project, trace, name, summary) if row else None
        outdone = self._counting.outdone_among(spans, counting)
        for span in spans.values():
            self._add(project, trace, span, summary, counts=span.counted and span.span_id not in outdone)
        self._keep_trace(project, trace, name, summary)
        return owners

    def _is_in_tables(self, trace: int, name: Name, count: int) -> bool:
        """Bring a trace back that is sealed; spans that came for one that never can be are left out, and told of.

        Whoever sends would send them again for ever, and hold up all others.
        """
        try:
            if self.bring_back(trace, name):
                return True
            reason = WITHOUT_DUCKDB
        except (BrokenSegment, FileNotFoundError) as error:
            reason = str(error)
        self._log.error("%d spans of trace %s are left out: %s", count, name[1], reason)
        return False

    def _add(self, project: int, trace: int, span: Span, summary: Summary, *, counts: bool) -> None:
        self._add_rows(project, trace, Kept(self._span_number(), span, counts=counts))
        summary.add(span, counts=counts)
        self._rollups.add(project, span, 1, counts=counts)
        self._facets.add(project, span, 1)

    def _add_rows(self, project: int, trace: int, kept: Kept) -> None:
        span, number = kept.span, kept.number
        details = self._details_of(project, span)
        self._spans.append((number, *row_of(span, project, trace, counts=kept.counts)))
        self._details.append((number, self._packer.details(details)))
        self._links += [(content, number) for content in details.contents()]
        if span.tags or span.metadata:
            self._labels += [(project, label, number) for label in labels_of(span)]

    def _details_of(self, project: int, span: Span) -> Details:
        keep = self._contents.keep
        return Details(
            name=self._contents.keep_label(project, span.name),
            resource=self._contents.keep_resource(project, span.resource),
            usage=usage_numbers(span.usage),
            input=tuple([keep(project, part) for part in span.input.parts]),
            output=tuple([keep(project, part) for part in span.output.parts]),
            input_is_messages=span.input.is_messages,
            output_is_messages=span.output.is_messages,
            metadata=span.metadata,
            attributes=span.attributes,
            events=events_of(span),
            cost_nano_usd=span.cost_nano_usd,
        )

    def _take_out(self, project: int, kept: Kept) -> set[int]:
        """Take a span out of all tables but rollups and its trace's summary; contents that it referred to."""
        details = kept.details
        assert details is not None
        contents = details.contents()
        execute, number = self._connection.execute, kept.number
        execute("DELETE FROM spans WHERE id = ?", (number,))
        execute("DELETE FROM details WHERE span = ?", (number,))
        links = [(content, number) for content in contents]
        self._connection.executemany("DELETE FROM links WHERE content = ? AND span = ?", links)
        labels = [(project, label, number) for label in labels_of(kept.span)]
        gone = "DELETE FROM labels WHERE project = ? AND label = ? AND span = ?"
        self._connection.executemany(gone, labels)
        self._facets.add(project, kept.span, -1)
        return contents

    def _take_out_some(self, project: int, trace: int, name: Name, span_ids: Sequence[str]) -> Summary | None:
        """Take spans out of everything; the summary of what is left, None of nothing."""
        unused: set[int] = set()
        taken = list(whole_spans(self._connection, trace, name, span_ids))
        for kept in taken:
            unused |= self._take_out(project, kept)
            self._rollups.add(project, kept.span, -1, counts=kept.counts)
        self._counting.of_trace(project, trace, name, None).let_parents_count(taken)
        self._contents.drop_unused(project, unused)
        summary: Summary | None = None
        for kept in bare_spans(self._connection, trace, name):
            summary = summary or new_summary(kept.span)
            summary.add(kept.span, counts=kept.counts)
        return summary

    def _is_known(self, project: int, trace_id: str) -> bool:
        find = "SELECT 1 FROM traces WHERE project = ? AND trace_id = ?"
        return self._connection.execute(find, (project, trace_id)).fetchone() is not None

    def _known(self, trace: int, span_ids: Iterable[str]) -> list[str]:
        execute = self._connection.execute
        find = "SELECT 1 FROM spans WHERE trace = ? AND span_id = ?"
        return [span_id for span_id in span_ids if execute(find, (trace, span_id)).fetchone()]

    def _portions_of(self, trace: int) -> Iterator[list[str]]:
        """Ids of all spans of a trace, some at a time; each portion must be gone before the next is asked for."""
        some = "SELECT span_id FROM spans WHERE trace = ? LIMIT ?"
        while found := self._connection.execute(some, (trace, _DELETED_AT_ONCE)).fetchall():
            yield [span_id for (span_id,) in found]

    def _keep_trace(self, project: int, trace: int, name: Name, summary: Summary) -> None:
        times = (summary.started_ns, summary.last_started_ns, summary.ended_ns)
        self._traces.append((trace, project, name[1], *times, pack(summary)))

    def bring_into_tables(self) -> None:
        """What was collected, but for rollups and facets."""
        execute: Callable[..., object] = self._connection.executemany
        execute(INSERT, self._spans)
        execute("INSERT INTO details (span, data) VALUES (?, ?)", self._details)
        execute("INSERT INTO links (content, span) VALUES (?, ?)", self._links)
        execute("INSERT INTO labels (project, label, span) VALUES (?, ?, ?)", self._labels)
        execute(_UPSERT_TRACE, self._traces)
        self._contents.write()
        for rows in (self._spans, self._details, self._links, self._labels, self._traces):
            rows.clear()

    def _project(self, name: str) -> int:
        known = self._projects.get(name)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO projects (name) VALUES (?)", (name,))
            (known,) = self._connection.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
            self._projects[name] = int(known)
        return int(known)

    def _trace_number(self) -> int:
        return self._numbers.next("traces")

    def _span_number(self) -> int:
        return self._numbers.next("spans")
