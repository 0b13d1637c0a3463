"""What differs between the engines that the SQL is for."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.query import Measure

Bound = str | int | float | list[str]


class Statement(Struct, frozen=True):
    """One SELECT with what is bound to its placeholders, by name."""

    sql: str
    bound: Mapping[str, Bound]


_Answer = TypeVar("_Answer")
Rows = Sequence[Sequence[Any]]
Asking = Generator[Statement, Rows, _Answer]
"""Yields statements, is sent their rows, returns the answer."""


class Dialect(Protocol):
    """How an engine writes things; arguments and results are SQL unless they say otherwise."""

    def placeholder(self, name: str, value: Bound) -> str:
        """Where the value called ``name`` goes."""
        ...

    def is_any_of(self, value: str, texts: str) -> str:
        """Whether a text is in a bound list."""
        ...

    def has(self, texts: str, text: str) -> str:
        """Whether a list has a text; never NULL."""
        ...

    def is_noted(self, key: str, value: str) -> str:
        """Whether the metadata's two lists have this value under this key; never NULL."""
        ...

    def starts_with(self, value: str, prefix: str) -> str:
        """Byte by byte."""
        ...

    def text_of(self, value: str) -> str:
        """A value as text, the empty one of NULL."""
        ...

    def optional(self, value: str) -> str:
        """The value, such that aggregates of none are NULL."""
        ...

    def sum(self, value: str) -> str:
        """Without overflow: of as many values as there can be."""
        ...

    def quantile(self, measure: Measure, value: str, q: str) -> str:
        """By the rule of ``kernel/query.py``; NULL of no values."""
        ...

    def first(self, value: str, where: str, order: Sequence[str]) -> str:
        """In ``order``, of a group's texts where a condition holds; the empty one or NULL of none."""
        ...

    def texts(self, value: str) -> str:
        """A group's different texts, in any order."""
        ...

    def texts_in(self, texts: str) -> str:
        """The different texts in a group's lists, in any order."""
        ...


class Source(Struct, frozen=True):
    """What to ask, as it stands behind FROM: the name of a table or view, or a SELECT in brackets."""

    relation: str
    """Each span once, as it is now."""
    dialect: Dialect
    written: str = ""
    """Where it is read with less work than ``relation``: all rows of it, and with them what was replaced since."""
    version: str = ""
    """Of both: the column that counts the rows that a span had, from 1."""
    moved: str = ""
    """Of ``written``: the condition of rows that say that a span of their trace stood at another start before."""
    circles: str = ""
    """Rows of project and trace_id: the traces in which parents of calls may go in a circle. Empty: any may."""
    outdoing_none: tuple[str, ...] = ()
    """Ids of traces and spans, one behind the other: the first calls of circles."""

    def passes(self) -> tuple["Source", ...]:
        """What a page is looked for in: at first in what was written, where that is another relation."""
        return (replace(self, relation=self.written, written="", moved=""), self) if self.written else (self,)


class Writing:
    """A statement being written: gives names to what is bound."""

    def __init__(self, source: Source) -> None:
        self.relation = source.relation
        self.dialect = source.dialect
        self.outdoing_none = source.outdoing_none
        self._bound: dict[str, Bound] = {}

    def bind(self, value: Bound) -> str:
        """The placeholder of a value."""
        name = f"p{len(self._bound)}"
        self._bound[name] = value
        return self.dialect.placeholder(name, value)

    def finished(self, sql: str) -> Statement:
        return Statement(sql, self._bound)
