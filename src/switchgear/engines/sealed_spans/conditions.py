"""Filters as DuckDB's SQL on the rows ``s`` of segments; every value is bound."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from switchgear.engines.sqlite_spans.columns import TEXTS
from switchgear.engines.sqlite_spans.facets import note_label, tag_label
from switchgear.engines.sqlite_spans.questions import Condition, value_of
from switchgear.engines.sqlite_spans.sealed_tables import Segment
from switchgear.kernel.query import (
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

_ABSENT: Final = ("input_tokens", "output_tokens", "cost_nano_usd")


def said_table(word: str, all_words: list[str]) -> str:
    """The table with the spans that say a word."""
    return f"said_{all_words.index(word)}"


def words_of(where: Filter | None) -> list[str]:
    """All that are looked for in full text, each once."""
    return list(dict.fromkeys(_words(where))) if where is not None else []


def within(window: Window, where: Filter | None, segments: Sequence[Segment]) -> Condition:
    """The spans of a window that fit; segments are those of the window's project alone."""
    found = Condition("true")
    # Of a segment that lies wholly within the window no time need be looked at.
    if any(each.first_ns < window.since_ns for each in segments):
        found = Condition("s.started_ns >= ?", [window.since_ns])
    if any(each.last_ns >= window.until_ns for each in segments):
        found = Condition(f"{found.sql} AND s.started_ns < ?", [*found.bound, window.until_ns])
    if where is not None:
        inner = _condition(where, words_of(where))
        found.sql += f" AND {inner.sql}"
        found.bound += inner.bound
    return found


def _words(where: Filter) -> Iterator[str]:
    match where:
        case Said():
            yield from words(where.text)
        case Every() | Either():
            for each in where.filters:
                yield from _words(each)
        case Not():
            yield from _words(where.filter)
        case _:
            pass


def _condition(where: Filter, said: list[str]) -> Condition:
    match where:
        case Compare():
            return _comparison(where)
        case OneOf():
            return _one_of(where)
        case StartsWith():
            return Condition(f"starts_with({value_of(where.field)}, ?)", [where.prefix])
        case Tagged():
            return Condition("list_contains(s.labels, ?)", [tag_label(where.name)])
        case Noted():
            return Condition("list_contains(s.labels, ?)", [note_label(where.key, where.value)])
        case Said():
            tables = [f"s.id IN (SELECT i FROM {said_table(word, said)})" for word in words(where.text)]
            return Condition(f"({' AND '.join(tables)})" if tables else "true")
        case Every():
            return _all_of([_condition(each, said) for each in where.filters], " AND ", "true")
        case Either():
            return _all_of([_condition(each, said) for each in where.filters], " OR ", "false")
        case Not():
            inner = _condition(where.filter, said)
            return Condition(f"(NOT {inner.sql})", inner.bound)


def _one_of(where: OneOf) -> Condition:
    if not where.values:
        return Condition("false")
    marks = ", ".join("?" * len(where.values))
    if where.field in TEXTS and "" not in where.values:
        return Condition(f"(s.{where.field} IS NOT NULL AND s.{where.field} IN ({marks}))", list(where.values))
    return Condition(f"coalesce({value_of(where.field)} IN ({marks}), false)", list(where.values))


def _comparison(where: Compare) -> Condition:
    if where.field in TEXTS and where.op == "==":
        # On the bare column, so that DuckDB passes over what cannot have the value; a text that is empty is NULL.
        told = f"(s.{where.field} IS NOT NULL AND s.{where.field} = ?)"
        return Condition(told, [where.value]) if where.value else Condition(f"(s.{where.field} IS NULL)")
    value = value_of(where.field)
    if where.op == "!=":
        return Condition(f"({value} IS DISTINCT FROM ?)", [where.value])
    sql = f"({value} {'=' if where.op == '==' else where.op} ?)"
    return Condition(f"coalesce({sql}, false)" if where.field in _ABSENT else sql, [where.value])


def _all_of(conditions: list[Condition], joint: str, of_none: str) -> Condition:
    if not conditions:
        return Condition(of_none)
    bound: list[Any] = [value for condition in conditions for value in condition.bound]
    return Condition(f"({joint.join(condition.sql for condition in conditions)})", bound)
