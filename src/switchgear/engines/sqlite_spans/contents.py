"""What spans say, each part once in a project however many spans repeat it, with its words for full text."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final

from switchgear.engines.sqlite_spans.packing import Packer, Unpacker
from switchgear.kernel.span_words import text_of

_HASH_BYTES: Final = 16
_MOST_KNOWN: Final = 50_000
_MOST_BOUND: Final = 500
_DROP_UNUSED: Final = (
    "DELETE FROM contents WHERE id IN ({marks}) AND NOT EXISTS (SELECT 1 FROM links l WHERE l.content = contents.id) "
    "RETURNING id, spoken, data"
)
_SPOKEN, _UNSPOKEN = b"spoken", b"unspoken"


class Contents:
    """Numbers parts, and writes those that are new."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._packer = Packer()
        self._unpacker = Unpacker()
        self._known: dict[tuple[int, bytes], int] = {}
        self._next = 0
        self._names: list[tuple[int, bytes, int]] = []
        self._rows: list[tuple[int, bool, bytes]] = []
        self._words: list[tuple[int, str]] = []

    def forget(self) -> None:
        """What is known may be untrue: a transaction was undone, or contents were deleted."""
        self._known.clear()
        self._names.clear()
        self._rows.clear()
        self._words.clear()
        self._next = 0

    def keep(self, project: int, part: bytes, *, spoken: bool = True) -> int:
        """The part's number. What is not spoken is not found by full text."""
        name = (project, _hash(part, spoken=spoken))
        number = self._known.get(name)
        if number is not None:
            return number
        row = self._connection.execute(
            "SELECT content FROM content_names WHERE project = ? AND hash = ?", name
        ).fetchone()
        number = row[0] if row else self._add(name, part, spoken=spoken)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._known.update(((project, digest), number) for project, digest, number in self._names)
        self._known[name] = number
        return number

    def write(self) -> None:
        """Bring the new ones into the tables."""
        execute = self._connection.executemany
        execute("INSERT INTO content_names (project, hash, content) VALUES (?, ?, ?)", self._names)
        execute("INSERT INTO contents (id, spoken, data) VALUES (?, ?, ?)", self._rows)
        execute("INSERT INTO words (rowid, text) VALUES (?, ?)", self._words)
        self._names.clear()
        self._rows.clear()
        self._words.clear()

    def drop_unused(self, project: int, numbers: Iterable[int]) -> None:
        """Delete those that no span refers to any more."""
        self.forget()
        execute = self._connection.executemany
        for some in _portions(list(numbers)):
            marks = ", ".join("?" * len(some))
            gone = self._connection.execute(_DROP_UNUSED.format(marks=marks), some).fetchall()
            parts = [(number, bool(spoken), self._unpacker.unpacked(data)) for number, spoken, data in gone]
            # An index without contents is told what to forget.
            spoken_parts = [(number, text_of(part)) for number, is_spoken, part in parts if is_spoken]
            execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", spoken_parts)
            names = [(project, _hash(part, spoken=is_spoken)) for _, is_spoken, part in parts]
            execute("DELETE FROM content_names WHERE project = ? AND hash = ?", names)

    def _add(self, name: tuple[int, bytes], part: bytes, *, spoken: bool) -> int:
        if not self._next:
            row = self._connection.execute("SELECT coalesce(max(id), 0) + 1 FROM contents").fetchone()
            self._next = row[0]
        number = self._next
        self._next += 1
        self._names.append((*name, number))
        self._rows.append((number, spoken, self._packer.packed(part)))
        if spoken:
            self._words.append((number, text_of(part)))
        return number


def _hash(part: bytes, *, spoken: bool) -> bytes:
    return blake2b(part, digest_size=_HASH_BYTES, person=_SPOKEN if spoken else _UNSPOKEN).digest()


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(numbers), _MOST_BOUND):
        yield numbers[at : at + _MOST_BOUND]
