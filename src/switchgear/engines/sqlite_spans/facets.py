"""The values that fields have, with how often and when last: what filters offer, without a look at spans."""

import sqlite3
from collections.abc import Callable, Hashable
from hashlib import blake2b
from operator import attrgetter
from typing import Final, TypeVar

from msgspec import json

from switchgear.kernel.span import Span

FACETS: Final = (
    "name", "kind", "status", "service", "environment", "release", "user", "provider", "model", "tool_name",
    "prompt_name", "key", "route",
)  # fmt: skip
_VALUES: Final[Callable[[Span], tuple[str, ...]]] = attrgetter(*FACETS)
Name = TypeVar("Name", bound=Hashable)
TAG: Final = "tag"
"""Facets of tags stand under this name."""
_UPSERT: Final = (
    "INSERT INTO facets (project, field, value, count, last_seen_ns) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "count = count + excluded.count, last_seen_ns = max(last_seen_ns, excluded.last_seen_ns)"
)


class Facets:
    """Collects what spans add and take, and writes it in one go."""

    def __init__(self) -> None:
        self._alike: dict[tuple[int, tuple[str, ...], tuple[str, ...]], list[int]] = {}
        self._has_less = False

    def forget(self) -> None:
        self._alike.clear()
        self._has_less = False

    def add(self, project: int, span: Span, sign: int) -> None:
        """A span comes (1) or goes (-1)."""
        # Most spans of a batch have the same values as some before them: these are told apart once, in ``write``.
        _count(self._alike, (project, _VALUES(span), span.tags), sign, span.started_ns if sign > 0 else 0)
        self._has_less = self._has_less or sign < 0

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring what was collected into the table."""
        counts: dict[tuple[int, str, str], list[int]] = {}
        for (project, values, tags), (count, last_ns) in self._alike.items():
            for field, value in zip(FACETS, values, strict=True):
                _count(counts, (project, field, value), count, last_ns)
            for tag in set(tags):
                _count(counts, (project, TAG, tag), count, last_ns)
        connection.executemany(_UPSERT, [(*name, *numbers) for name, numbers in counts.items()])
        if self._has_less:
            gone = "DELETE FROM facets WHERE project = ? AND field = ? AND value = ? AND count <= 0"
            connection.executemany(gone, list(counts))
        self.forget()


def _count(counts: dict[Name, list[int]], name: Name, count: int, last_ns: int) -> None:
    numbers = counts.get(name)
    if numbers is None:
        counts[name] = [count, last_ns]
        return
    numbers[0] += count
    numbers[1] = max(numbers[1], last_ns)


def tag_label(name: str) -> int:
    """The number under which table ``labels`` has a tag."""
    return _label(name.encode())


def note_label(key: str, value: str) -> int:
    """The number under which table ``labels`` has an entry of metadata."""
    return _label(b"\0" + json.encode((key, value)))


def labels_of(span: Span) -> set[int]:
    notes = {note_label(key, value) for key, value in span.metadata.items()}
    return notes | {tag_label(name) for name in span.tags}


def _label(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little", signed=True)
