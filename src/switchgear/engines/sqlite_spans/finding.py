"""Pages of spans and traces. A page's keys are found first; only then is anything read that is shown of them."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import json, structs

from switchgear.engines.sqlite_spans.newest import Way, ways
from switchgear.engines.sqlite_spans.questions import (
    PROJECT,
    Bound,
    Condition,
    condition_of,
    only_trace,
    place_of,
    within,
)
from switchgear.engines.sqlite_spans.selective import is_rare, is_selective
from switchgear.engines.sqlite_spans.summary import unpack
from switchgear.kernel.query import Find, Found, SpanRow, TraceRow

SHOWN: Final = """
trace_id, s.span_id, s.parent_id, s.name, s.kind, s.started_ns, s.ended_ns - s.started_ns AS duration_ns,
    s.status, coalesce(s.status_message, '') AS status_message, coalesce(s.model, '') AS model,
    coalesce(s.provider, '') AS provider, coalesce(s.user, '') AS user, coalesce(s.session, '') AS session,
    s.input_tokens, s.output_tokens, s.cost_nano_usd, coalesce(s.cost_source, '') AS cost_source,
    coalesce(s.first_token_ns, 0) AS first_token_ns, s.counted,
    coalesce(s.input_preview, '') AS input_preview, coalesce(s.output_preview, '') AS output_preview, s.tags
"""
"""What a row in a list says of a span, beside ``child_count``."""
_ROW: Final = (
    f"SELECT {SHOWN}, (SELECT count(*) FROM spans c WHERE c.trace = s.trace AND c.parent_id = s.span_id) "
    "AS child_count FROM spans s JOIN traces t ON t.id = s.trace WHERE s.id = ?"
)


def found_spans(connection: sqlite3.Connection, question: Find) -> Found:
    """A page of spans."""
    return _found(connection, question, _spans)


def found_traces(connection: sqlite3.Connection, question: Find) -> Found:
    """A page of traces."""
    return _found(connection, question, _traces)


def _found(
    connection: sqlite3.Connection, question: Find, page: Callable[[sqlite3.Connection, Find, Way], Found]
) -> Found:
    found = Found()
    for way in ways(connection, question):
        found = page(connection, question, way)
        if found.after or way.floor_ns is None:
            break
    return found


def _spans(connection: sqlite3.Connection, question: Find, way: Way) -> Found:
    window = question.window
    if way.floor_ns is not None:
        window = structs.replace(window, since_ns=max(window.since_ns, way.floor_ns))
    condition = within(window, question.where, way.said, is_rare=way.is_rare)
    down = "DESC" if question.newest_first else "ASC"
    if question.after:
        less = "<" if question.newest_first else ">"
        started_ns, trace_id, span_id = place_of(question.after, 3)
        condition.sql += f" AND s.started_ns {less}= ? AND (s.started_ns, t.trace_id, s.span_id) {less} (?, ?, ?)"
        condition.bound += [started_ns, started_ns, trace_id, span_id]
    # Within one trace the order is that of an index.
    order = ("s.started_ns", *(() if only_trace(question.where) else ("t.trace_id",)), "s.span_id")
    # CROSS JOIN: the traces are only looked up, so that the order of the spans' index can be used.
    keys = connection.execute(
        f"SELECT s.id FROM spans s CROSS JOIN traces t ON t.id = s.trace WHERE {condition.sql} "
        f"ORDER BY {', '.join(f'{name} {down}' for name in order)} LIMIT ?",
        (*condition.bound, question.limit + 1),
    ).fetchall()
    rows = [_span_row(connection, key) for (key,) in keys[: question.limit]]
    more = len(keys) > question.limit
    last = rows[-1] if rows else None
    after = f"{last.started_ns}.{last.trace_id}.{last.span_id}" if last is not None and more else ""
    return Found(spans=tuple(rows), after=after)


def _traces(connection: sqlite3.Connection, question: Find, way: Way) -> Found:
    condition = _traces_within(connection, question, way)
    down = "DESC" if question.newest_first else "ASC"
    if question.after:
        less = "<" if question.newest_first else ">"
        started_ns, trace_id = place_of(question.after, 2)
        condition.sql += f" AND (t.started_ns, t.trace_id) {less} (?, ?)"
        condition.bound += [started_ns, trace_id]
    rows = connection.execute(
        f"SELECT t.trace_id, t.summary FROM traces t WHERE {condition.sql} "
        f"ORDER BY t.started_ns {down}, t.trace_id {down} LIMIT ?",
        (*condition.bound, question.limit + 1),
    ).fetchall()
    traces: list[TraceRow] = [unpack(summary).row(trace_id) for trace_id, summary in rows[: question.limit]]
    more = len(rows) > question.limit
    after = f"{traces[-1].started_ns}.{traces[-1].trace_id}" if more else ""
    return Found(traces=tuple(traces), after=after)


def _traces_within(connection: sqlite3.Connection, question: Find, way: Way) -> Condition:
    window, where = question.window, question.where
    # A plus keeps SQLite from going through all traces for those of a short list.
    plus = "+" if way.is_rare or is_rare(connection, window.project, where) else ""
    found = Condition(
        f"{plus}t.project = {PROJECT} AND {plus}t.started_ns < ? AND t.last_started_ns >= ?",
        [window.project, window.until_ns, window.since_ns],
    )
    if way.floor_ns is not None:
        found.sql += " AND t.started_ns >= ?"
        found.bound.append(way.floor_ns)
        # None of a trace's spans began before it.
        window = structs.replace(window, since_ns=max(window.since_ns, way.floor_ns))
    one = only_trace(where)
    if one:
        found.sql += " AND t.trace_id = ?"
        found.bound.append(one)
    elif where is not None and is_selective(connection, window.project, where):
        fitting = within(window, where, way.said, is_rare=way.is_rare)
        join = "spans s JOIN traces t ON t.id = s.trace" if "trace_id" in fitting.sql else "spans s"
        found.sql += f" AND t.id IN (SELECT s.trace FROM {join} WHERE {fitting.sql})"
        found.bound += fitting.bound
        return found
    inner: list[Bound] = [window.since_ns, window.until_ns]
    exists = "EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.id AND s.started_ns >= ? AND s.started_ns < ?"
    if where is None:
        # The first span of a trace that began within the window is within it.
        found.sql += f" AND (t.started_ns >= ? OR {exists}))"
        found.bound += [window.since_ns, *inner]
        return found
    condition = condition_of(where, window.project, way.said)
    found.sql += f" AND {exists} AND {condition.sql})"
    found.bound += [*inner, *condition.bound]
    return found


def _span_row(connection: sqlite3.Connection, number: int) -> SpanRow:
    cursor = connection.execute(_ROW, (number,))
    return span_row([each[0] for each in cursor.description], cursor.fetchone())


def span_row(names: Sequence[str], row: Sequence[Any]) -> SpanRow:
    """A row as SHOWN and ``child_count`` have it."""
    told: dict[str, Any] = dict(zip(names, row, strict=True))
    told["counted"] = bool(told["counted"])
    told["tags"] = json.decode(told["tags"], type=tuple[str, ...]) if told["tags"] else ()
    return SpanRow(**told)
