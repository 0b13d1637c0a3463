"""How a page is looked for: a list of all that ever fitted takes as long as the list is.

So what is newest is looked at first, for where it fills a page nothing older belongs on it. Where few spans can fit, by
a rare word or by whose they are, only these are asked for the other words. What a span says is found by its contents:
their numbers stand with the span, and full text tells which of them have the word. It is asked for a few ranges of
numbers, because most contents are as new as the spans that say them.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from msgspec import Raw, Struct, json, msgpack

from switchgear.engines.sqlite_spans.packing import Unpacker
from switchgear.engines.sqlite_spans.questions import PROJECT, place_of, within
from switchgear.engines.sqlite_spans.selective import is_rare
from switchgear.kernel.query import Compare, Either, Every, Filter, Find, Not, OneOf, Said
from switchgear.kernel.span_words import words

_MOST_SPANS: Final = (2_000, 10_000, 40_000)
_MOST_TRACES: Final = (1_000, 5_000, 25_000)
_SPANS_OF_TRACE: Final = 10
"""Of most traces not more."""
_LONGER: Final = 4
"""So many times as many spans as expected may the newest traces have."""
_MOST_RANGES: Final = 16
_FEW: Final = 20_000
_RARE: Final = 2_000
_SAYING: Final = "SELECT l.span FROM words w CROSS JOIN links l ON l.content = w.rowid WHERE w.words MATCH ? LIMIT ?"
_NEWEST_SPANS: Final = (
    f"SELECT s.id, s.started_ns FROM spans s WHERE s.project = {PROJECT} AND s.started_ns >= ? AND s.started_ns < ? "
    "ORDER BY s.started_ns DESC LIMIT ?"
)
_NEWEST_TRACES: Final = (
    f"SELECT t.id, t.started_ns FROM traces t WHERE t.project = {PROJECT} AND t.last_started_ns >= ? "
    "AND t.started_ns < ? ORDER BY t.started_ns DESC LIMIT ?"
)
_OF_TRACES: Final = "SELECT s.id FROM spans s WHERE s.trace IN (SELECT value FROM json_each(?)) LIMIT ?"
_DETAILS: Final = "SELECT d.span, d.data FROM details d WHERE d.span IN (SELECT value FROM json_each(?))"
_HAVE_WORD: Final = "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?"


class _Numbers(Struct, array_like=True, gc=False):
    """How the details of a span begin: the rest is not decoded."""

    name: int
    resource: int
    usage: Raw
    input: tuple[int, ...]
    output: tuple[int, ...]

    def contents(self) -> set[int]:
        """Those that may say something."""
        return {self.name, *self.input, *self.output}


_NUMBERS: Final = msgpack.Decoder(_Numbers)


class Way(NamedTuple):
    """How a page is looked for."""

    said: Mapping[str, str] | None
    """The spans that say each word, as JSON; None: those that full text knows of."""
    floor_ns: int | None
    """Only spans, or traces, that began then or later are known in ``said``; None: all."""
    is_rare: bool
    """Few spans fit, whenever they were."""


def ways(connection: sqlite3.Connection, question: Find) -> Iterator[Way]:
    """The next one is for whoever found no full page; the last always answers."""
    where = question.where
    rare = is_rare(connection, question.window.project, where)
    if not said_words(where):
        if question.newest_first and question.of == "traces" and not rare and _compares_only(where):
            yield from _newest_traces(connection, question)
        yield Way(None, None, is_rare=False)
        return
    must = must_words(where)
    counts = {word: _some(connection, word) for word in must}
    rarest = min(counts, key=lambda word: (counts[word], word), default="")
    if rarest and counts[rarest] <= _FEW:
        yield _of_rarest(connection, question, rarest, counts[rarest])
        return
    spans = _fitting_but_for_words(connection, question) if rare else None
    if spans is not None:
        yield Way(_sayers(connection, spans, said_words(where)), None, is_rare=bool(must))
        return
    if question.newest_first:
        for most in _MOST_SPANS:
            spans, floor_ns = _newest(connection, question, most)
            if len(spans) > _LONGER * most:
                break
            yield Way(_sayers(connection, spans, said_words(where)), floor_ns, is_rare=bool(must))
    yield Way(None, None, is_rare=False)


def _newest_traces(connection: sqlite3.Connection, question: Find) -> Iterator[Way]:
    for traces in _MOST_TRACES:
        floor_ns = _began(connection, question, traces)
        if floor_ns is None:
            return
        yield Way(None, floor_ns, is_rare=False)


def _of_rarest(connection: sqlite3.Connection, question: Find, word: str, count: int) -> Way:
    """Among those who say a word that all that fits must say."""
    said = said_words(question.where)
    if len(said) == 1:
        return Way(None, None, is_rare=count <= (_RARE if question.of == "spans" else _FEW))
    spans = [span for (span,) in connection.execute(_SAYING, (f'"{word}"', _FEW))]
    return Way(_sayers(connection, spans, said), None, is_rare=True)


def _fitting_but_for_words(connection: sqlite3.Connection, question: Find) -> list[int] | None:
    """Those of one user, session, trace ...; None where they are not few."""
    fitting = within(question.window, _without_words(question.where))
    found = connection.execute(
        f"SELECT s.id FROM spans s JOIN traces t ON t.id = s.trace WHERE {fitting.sql} LIMIT ?",
        (*fitting.bound, _FEW + 1),
    ).fetchall()
    return [number for (number,) in found] if len(found) <= _FEW else None


def _without_words(where: Filter | None) -> Filter | None:
    """What is left of a filter when the parts that name words are left out of it: more fits."""
    if isinstance(where, Every):
        return Every(filters=tuple(part for each in where.filters if (part := _without_words(each)) is not None))
    return None if said_words(where) else where


def said_words(where: Filter | None) -> set[str]:
    """All words that a filter names."""
    match where:
        case Said():
            return set(words(where.text))
        case Every() | Either():
            return {word for each in where.filters for word in said_words(each)}
        case Not():
            return said_words(where.filter)
        case _:
            return set()


def must_words(where: Filter | None) -> set[str]:
    """Those that all that fits must say."""
    if isinstance(where, Every):
        return {word for each in where.filters for word in must_words(each)}
    return set(words(where.text)) if isinstance(where, Said) else set()


def _compares_only(where: Filter | None) -> bool:
    """Whether indexes that go by time know what fits; a list of labels would be made anew for each look."""
    match where:
        case Compare() | OneOf():
            return True
        case Every() | Either():
            return all(map(_compares_only, where.filters))
        case _:
            return False


def _some(connection: sqlite3.Connection, word: str) -> int:
    """How many spans say a word, counted no further than to the first that are more than few."""
    (count,) = connection.execute(f"SELECT count(*) FROM ({_SAYING})", (f'"{word}"', _FEW + 1)).fetchone()
    return int(count)


def _until_ns(question: Find) -> int:
    """Behind the last moment at which what is on the page may have begun."""
    until_ns = question.window.until_ns
    if not question.after:
        return until_ns
    return min(until_ns, place_of(question.after, 3 if question.of == "spans" else 2)[0] + 1)


def _began(connection: sqlite3.Connection, question: Find, traces: int) -> int | None:
    """Later than when the last of so many newest traces began; None where there are fewer."""
    window = question.window
    bound = (window.project, window.since_ns, _until_ns(question))
    row = connection.execute(f"{_NEWEST_TRACES} OFFSET ?", (*bound, 1, traces - 1)).fetchone()
    return None if row is None else row[1] + 1


def _newest(connection: sqlite3.Connection, question: Find, most: int) -> tuple[list[int], int | None]:
    """Numbers of the newest spans that may be on the page, or of all spans of the newest traces; and since when."""
    window, of_spans = question.window, question.of == "spans"
    wanted = most if of_spans else most // _SPANS_OF_TRACE
    find = _NEWEST_SPANS if of_spans else _NEWEST_TRACES
    rows = connection.execute(find, (window.project, window.since_ns, _until_ns(question), wanted)).fetchall()
    numbers = [number for number, _ in rows]
    # Of those that began with the last one there may be more.
    floor_ns = rows[-1][1] + 1 if len(rows) == wanted else None
    if of_spans:
        return numbers, floor_ns
    found = connection.execute(_OF_TRACES, (_listed(numbers), _LONGER * most + 1))
    return [number for (number,) in found], floor_ns


def _sayers(connection: sqlite3.Connection, spans: Sequence[int], said: Collection[str]) -> dict[str, str]:
    unpacked = Unpacker().unpacked
    contents = {
        span: _NUMBERS.decode(unpacked(data)).contents()
        for span, data in connection.execute(_DETAILS, (_listed(spans),))
    }
    ranges = list(_ranges(sorted({number for numbers in contents.values() for number in numbers})))
    sayers: dict[str, str] = {}
    for word in said:
        having = {
            number for first, last in ranges for (number,) in connection.execute(_HAVE_WORD, (f'"{word}"', first, last))
        }
        sayers[word] = _listed([span for span, numbers in contents.items() if not having.isdisjoint(numbers)])
    return sayers


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """A few that hold all numbers, with as little between as can be."""
    if not numbers:
        return
    widest = np.argsort(-np.diff(numbers), kind="stable")[: _MOST_RANGES - 1]
    cuts = [0, *(np.sort(widest) + 1).tolist(), len(numbers)]
    for begin, end in pairwise(cuts):
        yield numbers[begin], numbers[end - 1]


def _listed(numbers: Sequence[int]) -> str:
    return json.encode(numbers).decode()
