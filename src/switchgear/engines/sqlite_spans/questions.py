"""Filters as SQL conditions on ``spans s`` joined with ``traces t``, which has ``trace_id``; every value is bound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from switchgear.engines.sqlite_spans.columns import TEXTS
from switchgear.engines.sqlite_spans.facets import note_label, tag_label
from switchgear.kernel.errors import BadRequest
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
from switchgear.kernel.span_words import words

Bound = str | int | float
Sayers = Mapping[str, str] | None
"""The spans that say each word, as JSON; None: full text is asked for them."""
_SPECIAL: Final = {
    "trace_id": "trace_id",
    "duration_ns": "(s.ended_ns - s.started_ns)",
    "first_token_ns": "coalesce(s.first_token_ns, 0)",
}
_ABSENT: Final = ("input_tokens", "output_tokens", "cost_nano_usd")
_SAID: Final = (
    "s.id IN (SELECT l.span FROM links l WHERE l.content IN (SELECT w.rowid FROM words w WHERE w.words MATCH ?))"
)
PROJECT: Final = "(SELECT p.id FROM projects p WHERE p.name = ?)"
# Nothing here refers to the row that is looked at, so that it is found once for the whole question.
_LABELLED: Final = f"s.id IN (SELECT l.span FROM labels l WHERE l.project = {PROJECT} AND l.label = ?)"
# One number, not a list of them, so that the trace's spans can be read in the order of an index; never NULL.
_OF_TRACE: Final = f"s.trace = coalesce((SELECT f.id FROM traces f WHERE f.project = {PROJECT} AND f.trace_id = ?), 0)"


@dataclass(slots=True)
class Condition:
    """A piece of SQL with what is bound to it, in order."""

    sql: str
    bound: list[Bound] = field(default_factory=list[Bound])


def value_of(name: str) -> str:
    """The SQL of a field's value: text is never NULL."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    # The question was checked: the name is one of FIELDS, which are columns.
    assert name in FIELDS
    return f"coalesce(s.{name}, '')" if name in TEXTS else f"s.{name}"


def measured_value_of(name: str) -> str:
    """The SQL of a field as measures see it: NULL where nothing was told, or where it counts elsewhere."""
    if name in _ABSENT:
        return f"CASE WHEN s.counts THEN s.{name} END"
    return "s.first_token_ns" if name == "first_token_ns" else value_of(name)


def within(window: Window, where: Filter | None, said: Sayers = None, *, is_rare: bool = False) -> Condition:
    """The spans of a window that fit; ``is_rare``: few do, whenever they were."""
    # Then, and within one trace, the indexes of time are no use: a plus keeps SQLite from taking them.
    plus = "+" if is_rare or only_trace(where) else ""
    found = Condition(
        f"{plus}s.project = {PROJECT} AND {plus}s.started_ns >= ? AND {plus}s.started_ns < ?",
        [window.project, window.since_ns, window.until_ns],
    )
    if where is not None:
        condition = condition_of(where, window.project, said)
        found.sql += f" AND {condition.sql}"
        found.bound += condition.bound
    return found


def condition_of(where: Filter, project: str, said: Sayers = None) -> Condition:
    """The SQL of one filter; never NULL."""
    match where:
        case Compare():
            return _comparison(where, project)
        case OneOf():
            return _one_of(where)
        case StartsWith():
            # A prefix as bytes: LIKE would ignore case.
            value = value_of(where.field)
            return Condition(f"substr({value}, 1, ?) = ?", [len(where.prefix), where.prefix])
        case Tagged():
            return Condition(_LABELLED, [project, tag_label(where.name)])
        case Noted():
            return Condition(_LABELLED, [project, note_label(where.key, where.value)])
        case Said():
            return _all_of([_saying(word, said) for word in words(where.text)], " AND ", "1")
        case Every():
            return _all_of([condition_of(each, project, said) for each in where.filters], " AND ", "1")
        case Either():
            return _all_of([condition_of(each, project, said) for each in where.filters], " OR ", "0")
        case Not():
            inner = condition_of(where.filter, project, said)
            return Condition(f"NOT {inner.sql}", inner.bound)


def only_trace(where: Filter | None) -> str:
    """The id of the trace outside which no span fits; empty: there may be several."""
    if isinstance(where, Every):
        return next((found for each in where.filters if (found := only_trace(each))), "")
    if isinstance(where, Compare) and where.field == "trace_id" and where.op == "==":
        return str(where.value)
    return ""


def _saying(word: str, said: Sayers) -> Condition:
    if said is None:
        return Condition(_SAID, [f'"{word}"'])
    return Condition("s.id IN (SELECT value FROM json_each(?))", [said[word]])


def _all_of(conditions: list[Condition], joint: str, of_none: str) -> Condition:
    if not conditions:
        return Condition(of_none)
    sql = joint.join(condition.sql for condition in conditions)
    return Condition(f"({sql})", [value for condition in conditions for value in condition.bound])


def _comparison(where: Compare, project: str) -> Condition:
    name, value = where.field, where.value
    if name == "trace_id" and where.op == "==":
        # The trace's number is what spans are indexed by.
        return Condition(_OF_TRACE, [project, value])
    if name in TEXTS and where.op == "==":
        return (
            Condition(f"(s.{name} IS NOT NULL AND s.{name} = ?)", [value]) if value else Condition(f"s.{name} IS NULL")
        )
    if name in TEXTS and where.op == "!=" and not value:
        return Condition(f"s.{name} IS NOT NULL")
    if where.op == "!=":
        return Condition(f"{value_of(name)} IS NOT ?", [value])
    sql = f"{value_of(name)} {'=' if where.op == '==' else where.op} ?"
    return Condition(f"coalesce({sql}, 0)" if name in _ABSENT else sql, [value])


def _one_of(where: OneOf) -> Condition:
    if not where.values:
        return Condition("0")
    marks = ", ".join("?" * len(where.values))
    sql = f"{value_of(where.field)} IN ({marks})"
    if where.field in TEXTS and "" not in where.values:
        # The plus keeps SQLite from reading an index from its first text on, instead of at these.
        sql = f"(+s.{where.field} IS NOT NULL AND s.{where.field} IN ({marks}))"
    return Condition(f"coalesce({sql}, 0)" if where.field in _ABSENT else sql, list(where.values))


def place_of(cursor: str, parts: int) -> tuple[Any, ...]:
    """The parts of a cursor, the first a time. Raises BadRequest."""
    told = cursor.split(".")
    try:
        if len(told) != parts:
            raise ValueError
        started_ns = int(told[0])
    except ValueError:
        raise BadRequest("the cursor is none that a page gave: begin without one", param="after") from None
    if abs(started_ns) >= 2**63:
        raise BadRequest("the cursor is none that a page gave: begin without one", param="after")
    return cast("tuple[Any, ...]", (started_ns, *told[1:]))
