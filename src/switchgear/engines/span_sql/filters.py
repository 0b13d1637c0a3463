"""Filters as SQL conditions; every value is bound, and no condition is NULL."""

from collections.abc import Sequence
from typing import Final

from switchgear.engines.span_sql.columns import OPTIONAL
from switchgear.engines.span_sql.dialect import Writing
from switchgear.kernel.query import (
    FIELDS,
    Compare,
    Either,
    Every,
    Filter,
    Not,
    Noted,
    OneOf,
    Said,
    StartsWith,
    Tagged,
    Window,
)
from switchgear.kernel.span_sums import MODEL_CALLS
from switchgear.kernel.span_words import words

_DURATION: Final = "(ended_ns - started_ns)"
TELLS: Final = f"(input_tokens IS NOT NULL AND kind IN {MODEL_CALLS!r})"
"""Whether a span is a call that says what was used."""


def value_of(name: str) -> str:
    """A field's value."""
    # The question was checked: the name is one of FIELDS, which are columns. Some are also words of SQL.
    assert name in FIELDS
    return _DURATION if name == "duration_ns" else f'"{name}"'


def within(writing: Writing, window: Window, where: Filter | None) -> str:
    """The spans of a window that fit."""
    bind = writing.bind
    times = f"started_ns >= {bind(window.since_ns)} AND started_ns < {bind(window.until_ns)}"
    fits = "" if where is None else f" AND {condition_of(writing, where)}"
    return f"project = {bind(window.project)} AND {times}{fits}"


def condition_of(writing: Writing, where: Filter) -> str:
    """The SQL of one filter."""
    bind, dialect = writing.bind, writing.dialect
    match where:
        case Compare():
            return _comparison(writing, where)
        case OneOf():
            return _one_of(writing, where)
        case StartsWith():
            return dialect.starts_with(value_of(where.field), bind(where.prefix))
        case Tagged():
            return dialect.has("tags", bind(where.name))
        case Noted():
            return dialect.is_noted(bind(where.key), bind(where.value))
        case Said():
            said = dict.fromkeys(word.lower() for word in words(where.text))
            return _joined([dialect.has("words", bind(word)) for word in said], " AND ", "TRUE")
        case Every():
            return _joined([condition_of(writing, each) for each in where.filters], " AND ", "TRUE")
        case Either():
            return _joined([condition_of(writing, each) for each in where.filters], " OR ", "FALSE")
        case Not():
            return f"(NOT {condition_of(writing, where.filter)})"


def counts(writing: Writing, project: str, trace_ids: str = "TRUE") -> str:
    """Whether sums have a span: it counts, and no child tells of the same call (``kernel/span_sums.py``).

    ``trace_ids`` is a condition that bounds the traces in which children are looked for.
    """
    inner = (
        f"SELECT trace_id, parent_id, kind FROM {writing.relation} WHERE project = {writing.bind(project)} "
        f"AND {trace_ids} AND parent_id <> '' AND parent_id <> span_id AND {TELLS}"
    )
    if writing.outdoing_none:
        firsts = writing.bind(list(writing.outdoing_none))
        inner += f" AND NOT {writing.dialect.is_any_of('concat(trace_id, span_id)', firsts)}"
    return f"(counted AND NOT (input_tokens IS NOT NULL AND (trace_id, span_id, kind) IN ({inner})))"


def _joined(conditions: Sequence[str], joint: str, of_none: str) -> str:
    return f"({joint.join(conditions)})" if conditions else of_none


def _comparison(writing: Writing, where: Compare) -> str:
    value, bound = value_of(where.field), writing.bind(where.value)
    if where.op == "!=":
        differs = f"{value} <> {bound}"
        return f"({value} IS NULL OR {differs})" if where.field in OPTIONAL else f"({differs})"
    compared = f"{value} {'=' if where.op == '==' else where.op} {bound}"
    return f"({value} IS NOT NULL AND {compared})" if where.field in OPTIONAL else f"({compared})"


def _one_of(writing: Writing, where: OneOf) -> str:
    if not where.values:
        return "FALSE"
    value = value_of(where.field)
    marks = ", ".join(writing.bind(each) for each in where.values)
    told = f"{value} IS NOT NULL AND " if where.field in OPTIONAL else ""
    return f"({told}{value} IN ({marks}))"
