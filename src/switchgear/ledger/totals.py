"""Sums of rows by day, scope, model and state: what statements are made of, so that they never read the rows.

A row counts in the totals of every scope that it names, once. Amounts are signed, so that a change of a row's cost is
what it was, taken away, and what it is, added.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import json

from switchgear.ledger.row import BUCKETS, Row

EVERYTHING: Final = "all"
TAG: Final = "tag"
SCOPES: Final = ("key", "owner", "team", "project", "organisation", "end_user", "model", "provider")
"""Those that are columns of a row."""
ALL_SCOPES: Final = (EVERYTHING, *SCOPES, TAG)
AMOUNTS: Final = (
    "calls",
    "attempts",
    *BUCKETS,
    "audio_ms",
    "characters",
    "images",
    "cost_nano_usd",
    "lowest_nano_usd",
    "highest_nano_usd",
    "unbounded",
)
"""``calls`` are counted by their first row; ``unbounded`` are attempts without a highest cost, which it leaves out."""

Place = tuple[int, str, str, str, str]
"""Day, scope, name, model, state."""


class Totals:
    """Amounts by place."""

    def __init__(self) -> None:
        self._amounts: dict[Place, list[int]] = {}

    def add(self, rows: Iterable[Row], sign: int = 1) -> None:
        """Count rows in, or with ``sign`` -1 out."""
        for row in rows:
            amounts = [(index, sign * amount) for index, amount in enumerate(_amounts(row)) if amount]
            # Names that no model has answered to are the client's invention: they are not kept apart.
            model = row.model if row.attempt else ""
            for scope, name in scopes_of(row):
                self._add((row.day, scope, name, model, row.state), amounts)

    def _add(self, place: Place, amounts: Iterable[tuple[int, int]]) -> None:
        found = self._amounts.get(place)
        if found is None:
            found = self._amounts[place] = [0] * len(AMOUNTS)
        for index, amount in amounts:
            found[index] += amount

    def __iter__(self) -> Iterator[tuple[Place, list[int]]]:
        """Places in their order, so that writers who meet at them do not wait for each other in a circle."""
        return iter(sorted(self._amounts.items()))


def scopes_of(row: Row) -> Iterator[tuple[str, str]]:
    """Every scope that a row counts in, with its name there."""
    yield EVERYTHING, ""
    for scope in SCOPES:
        name: str = getattr(row, scope)
        if name and (row.attempt or scope != "model"):
            yield scope, name
    if row.tags != "[]":
        for tag in sorted(set(json.decode(row.tags, type=list[str]))):
            yield TAG, tag


def _amounts(row: Row) -> list[int]:
    return [
        1 if row.attempt <= 1 else 0,
        1 if row.attempt else 0,
        row.input,
        row.cache_read,
        row.cache_write_5m,
        row.cache_write_1h,
        row.output,
        row.reasoning,
        row.audio_input,
        row.audio_output,
        row.image_input,
        row.audio_ms,
        row.characters,
        row.images,
        row.cost_nano_usd,
        row.lowest_nano_usd,
        row.highest_nano_usd or 0,
        1 if row.highest_nano_usd is None else 0,
    ]
