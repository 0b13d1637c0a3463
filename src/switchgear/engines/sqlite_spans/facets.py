"""The values that fields have, with how often and when last: what filters offer, without a look at spans."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from operator import attrgetter, itemgetter
from typing import Final

from msgspec import json

from switchgear.kernel.span import Span

FACETS: Final = (
    "name", "kind", "status", "service", "environment", "release", "user", "provider", "model", "tool_name",
    "prompt_name", "key", "route",
)  # fmt: skip
_VALUES: Final[Callable[[Span], tuple[str, ...]]] = attrgetter(*FACETS)
_Told = list[tuple[int, tuple[str, ...], tuple[str, ...]]]
"""When each span began, its values, and its tags."""
TAG: Final = "tag"
"""Facets of tags stand under this name."""
_UPSERT: Final = (
    "INSERT INTO facets (project, field, value, count, last_seen_ns) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "count = count + excluded.count, last_seen_ns = max(last_seen_ns, excluded.last_seen_ns)"
)


class Facets:
    """Collects what spans add and take, and writes it in one go."""

    def __init__(self) -> None:
        self._came: dict[int, _Told] = {}
        self._went: dict[int, _Told] = {}

    def forget(self) -> None:
        self._came.clear()
        self._went.clear()

    def add(self, project: int, span: Span, sign: int) -> None:
        """A span comes (1) or goes (-1)."""
        told = (self._came if sign > 0 else self._went).setdefault(project, [])
        told.append((span.started_ns, _VALUES(span), span.tags))

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring what was collected into the table."""
        for told, sign in ((self._came, 1), (self._went, -1)):
            rows = [row for project, spans in told.items() for row in _rows(project, spans, sign)]
            connection.executemany(_UPSERT, rows)
            if sign < 0:
                gone = "DELETE FROM facets WHERE project = ? AND field = ? AND value = ? AND count <= 0"
                connection.executemany(gone, [row[:3] for row in rows])
        self.forget()


def _rows(project: int, spans: _Told, sign: int) -> Iterator[tuple[int, str, str, int, int]]:
    """What is added to each value: how often, and when last."""
    # Of equal values the last one stands in a dict that is made of pairs.
    spans.sort(key=itemgetter(0))
    moments = [started_ns for started_ns, _, _ in spans]
    for field, values in zip(FACETS, zip(*[values for _, values, _ in spans], strict=True), strict=True):
        last_ns = dict(zip(values, moments, strict=True))
        for value, count in Counter(values).items():
            yield project, field, value, sign * count, last_ns[value] if sign > 0 else 0
    tagged = [(tag, started_ns) for started_ns, _, tags in spans if tags for tag in set(tags)]
    last_ns = dict(tagged)
    for tag, count in Counter(tag for tag, _ in tagged).items():
        yield project, TAG, tag, sign * count, last_ns[tag] if sign > 0 else 0


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
