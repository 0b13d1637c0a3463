"""The values that fields have, with how often and when last: what filters offer, without a look at spans."""

import sqlite3
from hashlib import blake2b
from typing import Final

from msgspec import json

from switchgear.kernel.span import Span

FACETS: Final = (
    "name", "kind", "status", "service", "environment", "release", "user", "provider", "model", "tool_name",
    "prompt_name", "key", "route",
)  # fmt: skip
TAG: Final = "tag"
"""Facets of tags stand under this name."""
_UPSERT: Final = (
    "INSERT INTO facets (project, field, value, count, last_seen_ns) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "count = count + excluded.count, last_seen_ns = max(last_seen_ns, excluded.last_seen_ns)"
)


class Facets:
    """Collects what spans add and take, and writes it in one go."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str], list[int]] = {}
        self._has_less = False

    def forget(self) -> None:
        self._counts.clear()
        self._has_less = False

    def add(self, project: int, span: Span, sign: int) -> None:
        """A span comes (1) or goes (-1)."""
        started_ns = span.started_ns if sign > 0 else 0
        self._has_less = self._has_less or sign < 0
        for field in FACETS:
            self._count((project, field, getattr(span, field)), sign, started_ns)
        for tag in set(span.tags):
            self._count((project, TAG, tag), sign, started_ns)

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring what was collected into the table."""
        connection.executemany(_UPSERT, [(*name, *numbers) for name, numbers in self._counts.items()])
        if self._has_less:
            gone = "DELETE FROM facets WHERE project = ? AND field = ? AND value = ? AND count <= 0"
            connection.executemany(gone, list(self._counts))
        self.forget()

    def _count(self, name: tuple[int, str, str], sign: int, started_ns: int) -> None:
        numbers = self._counts.get(name)
        if numbers is None:
            self._counts[name] = [sign, started_ns]
            return
        numbers[0] += sign
        numbers[1] = max(numbers[1], started_ns)


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
