"""What spans say, each part once in a project however many spans repeat it, with its words for full text.

Most parts are said once and never again: giving each a name in a table that is ordered by hash would write a page of
its own for it. A part is named when it is met again; one that is met after it was forgotten is kept a second time,
under its name, and never a third. So a conversation that is told again with every turn takes space as it grows.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from msgspec import json

from switchgear.engines.sqlite_spans.packing import Packer, Unpacker, encoded
from switchgear.kernel.span_words import text_of

_Name = tuple[int, bytes]
"""Of a part: its project, and its hash."""
_HASH_BYTES: Final = 16
_MOST_KNOWN: Final = 100_000
_MOST_LABELS: Final = 10_000
_GLIMPSED_SLOTS: Final = 1 << 21
"""Of four bytes: about so many parts are still known to have been met once."""
_ASKED_AT_ONCE: Final = 512
_DROP_UNUSED: Final = (
    "DELETE FROM contents WHERE id IN ({marks}) AND NOT EXISTS (SELECT 1 FROM links l WHERE l.content = contents.id) "
    "RETURNING id, spoken, data"
)
_SPOKEN, _UNSPOKEN = b"spoken", b"unspoken"
_FIND: Final = "SELECT content FROM content_names WHERE project = ? AND hash = ?"


class Contents:
    """Numbers parts, and writes those that are new."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._packer = Packer()
        self._unpacker = Unpacker()
        self._glimpsed = _Glimpsed()
        self._named: dict[_Name, int] = {}
        self._unnamed: dict[_Name, int] = {}
        """Met once, and not so long ago that their numbers are forgotten."""
        self._foreseen: dict[tuple[int, bytes], bytes] = {}
        """Hashes of parts that were looked for in the table, by project: one's names tell nothing of another's."""
        self._labels: dict[tuple[int, str], int] = {}
        self._resource: tuple[int, Mapping[str, object], int] = (0, {}, 0)
        self._next = 0
        self._names: list[tuple[int, bytes, int]] = []
        self._rows: list[tuple[int, bool, bytes]] = []
        self._words: list[tuple[int, str]] = []

    def forget(self) -> None:
        """What is known may be untrue: a transaction was undone, or contents were deleted."""
        self._named.clear()
        self._unnamed.clear()
        self._foreseen.clear()
        self._labels.clear()
        self._resource = (0, {}, 0)
        self._names.clear()
        self._rows.clear()
        self._words.clear()
        self._next = 0

    def foresee(self, project: int, parts: Iterable[bytes]) -> None:
        """Look for the names of spoken parts that are about to be kept, all at once."""
        named, unnamed, foreseen = self._named, self._unnamed, self._foreseen
        wanted: list[bytes] = []
        for part in parts:
            if (project, part) not in foreseen:
                foreseen[project, part] = digest = _hash(part, spoken=True)
                name = (project, digest)
                if name not in named and name not in unnamed:
                    wanted.append(digest)
        for at in range(0, len(wanted), _ASKED_AT_ONCE):
            asked = wanted[at : at + _ASKED_AT_ONCE]
            # Few sizes, so that few statements are prepared.
            asked += asked[:1] * ((1 << (len(asked) - 1).bit_length()) - len(asked))
            find = f"SELECT hash, content FROM content_names WHERE project = ? AND hash IN ({_marks(asked)})"
            for digest, number in self._connection.execute(find, (project, *asked)):
                named[project, digest] = number

    def keep(self, project: int, part: bytes, *, spoken: bool = True) -> int:
        """The part's number. What is not spoken is not found by full text."""
        digest = self._foreseen.get((project, part)) if spoken else None
        name = (project, _hash(part, spoken=spoken) if digest is None else digest)
        number = self._named.get(name)
        if number is not None:
            return number
        number = self._unnamed.pop(name, None)
        if number is not None:
            self._give_name(name, number)
            return number
        row = None if digest is not None else self._connection.execute(_FIND, name).fetchone()
        if row is not None:
            self._named[name] = number = int(row[0])
            return number
        return self._add(name, part, spoken=spoken)

    def keep_label(self, project: int, label: str) -> int:
        """The number of a short text that many spans have, such as what they are called."""
        number = self._labels.get((project, label))
        if number is None:
            number = self.keep(project, json.encode(label))
            if len(self._labels) < _MOST_LABELS:
                self._labels[project, label] = number
        return number

    def keep_resource(self, project: int, resource: Mapping[str, object]) -> int:
        """The number of what spans that come together mostly share; 0 of nothing."""
        if not resource:
            return 0
        known = self._resource
        if known[0] != project or known[1] is not resource:
            self._resource = known = (project, resource, self.keep(project, encoded(resource), spoken=False))
        return known[2]

    def write(self) -> None:
        """Bring the new ones into the tables."""
        execute = self._connection.executemany
        execute("INSERT INTO content_names (project, hash, content) VALUES (?, ?, ?)", sorted(self._names))
        execute("INSERT INTO contents (id, spoken, data) VALUES (?, ?, ?)", self._rows)
        execute("INSERT INTO words (rowid, text) VALUES (?, ?)", self._words)
        self._names.clear()
        self._rows.clear()
        self._words.clear()
        self._foreseen.clear()
        for known in (self._named, self._unnamed):
            for name in list(islice(known, max(len(known) - _MOST_KNOWN, 0))):
                del known[name]

    def drop_unused(self, project: int, numbers: Iterable[int]) -> None:
        """Delete those that no span refers to any more."""
        self.forget()
        execute = self._connection.executemany
        for some in _portions(list(numbers)):
            gone = self._connection.execute(_DROP_UNUSED.format(marks=_marks(some)), some).fetchall()
            parts = [(number, bool(spoken), self._unpacker.unpacked(data)) for number, spoken, data in gone]
            # An index without contents is told what to forget.
            spoken_parts = [(number, text_of(part)) for number, is_spoken, part in parts if is_spoken]
            execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", spoken_parts)
            names = [(project, _hash(part, spoken=is_spoken), number) for number, is_spoken, part in parts]
            execute("DELETE FROM content_names WHERE project = ? AND hash = ? AND content = ?", names)

    def _add(self, name: _Name, part: bytes, *, spoken: bool) -> int:
        if not self._next:
            row = self._connection.execute("SELECT coalesce(max(id), 0) + 1 FROM contents").fetchone()
            self._next = row[0]
        number = self._next
        self._next += 1
        if self._glimpsed.again(name[1]):
            self._give_name(name, number)
        else:
            self._unnamed[name] = number
        self._rows.append((number, spoken, self._packer.packed(part)))
        if spoken:
            self._words.append((number, text_of(part)))
        return number

    def _give_name(self, name: _Name, number: int) -> None:
        self._named[name] = number
        self._names.append((*name, number))


class _Glimpsed:
    """Which hashes came lately; now and then one is taken for another that came, or forgotten early."""

    def __init__(self) -> None:
        self._marks = array("I", bytes(4 * _GLIMPSED_SLOTS))

    def again(self, digest: bytes) -> bool:
        """Whether it came before; from now on it did."""
        number = int.from_bytes(digest[:8], "little")
        slot, mark = number % _GLIMPSED_SLOTS, number >> 32
        came = self._marks[slot] == mark
        self._marks[slot] = mark
        return came


def _hash(part: bytes, *, spoken: bool) -> bytes:
    return blake2b(part, digest_size=_HASH_BYTES, person=_SPOKEN if spoken else _UNSPOKEN).digest()


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(numbers), _ASKED_AT_ONCE):
        yield numbers[at : at + _ASKED_AT_ONCE]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
