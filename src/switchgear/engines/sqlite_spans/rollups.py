"""Sums and sketches of spans by minute, hour and day, for each series: written with the spans themselves."""

import sqlite3
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

from switchgear.engines.sqlite_spans.columns import MOST_NUMBER, bounded
from switchgear.engines.sqlite_spans.sketch import bucket_of, sketch_bytes
from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Span

SERIES: Final = ("model", "provider", "kind", "status", "prompt_name", "prompt_version", "key")
"""What rollups can be filtered and grouped by."""
_DIMENSIONS: Final[Callable[[Span], tuple[str, ...]]] = attrgetter(*SERIES)
BUCKETS: Final = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_input", "audio_output",
    "image_input",
)  # fmt: skip
_NO_USAGE: Final = (0,) * (3 + len(BUCKETS))
_BUCKETS_OF: Final[Callable[[Usage], tuple[int, ...]]] = attrgetter(*BUCKETS)
CELL_COLUMNS: Final = (
    "spans", "told_usage", "input_tokens", "output_tokens", *(f"bucket_{name}" for name in BUCKETS),
    "priced", "cost_nano_usd", "unpriced", "duration_ns", "told_first_token", "first_token_ns",
)  # fmt: skip
GRAINS_NS: Final = (60_000_000_000, 3_600_000_000_000, 86_400_000_000_000)
_NOTHING_SUMMED: Final = (0,) * (CELL_COLUMNS.index("unpriced") - CELL_COLUMNS.index("told_usage") + 1)
_COLUMNS: Final = ("project", "grain", "start_ns", "series", *CELL_COLUMNS, "duration_sketch", "first_token_sketch")
_UPSERT: Final = (
    f"INSERT INTO rollups ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in CELL_COLUMNS)
    + ", duration_sketch = merged(duration_sketch, excluded.duration_sketch)"
    + ", first_token_sketch = merged(first_token_sketch, excluded.first_token_sketch)"
)
_FIND_SERIES: Final = f"SELECT id FROM series WHERE project = ? AND {' AND '.join(f'{name} = ?' for name in SERIES)}"
_ADD_SERIES: Final = f"INSERT INTO series (project, {', '.join(SERIES)}) VALUES ({', '.join('?' * (len(SERIES) + 1))})"
_MOST_KNOWN_SERIES: Final = 20_000
_Place = tuple[int, int, int]
"""Of a row within its grain: project, start and series."""


class _Cell:
    """What is to be added to one row."""

    __slots__ = ("_told", "durations", "first_tokens")

    def __init__(self) -> None:
        self._told: list[tuple[int, ...]] = []
        self.durations: dict[int, int] = {}
        self.first_tokens: dict[int, int] = {}

    def add(self, sums: tuple[int, ...]) -> None:
        self._told.append(sums)

    def sums(self) -> tuple[int, ...]:
        if len(self._told) > 1:
            self._told = [tuple(map(sum, zip(*self._told, strict=True)))]
        return self._told[0]

    def sketches(self) -> tuple[bytes, bytes]:
        return sketch_bytes(self.durations), sketch_bytes(self.first_tokens)

    def join(self, other: "_Cell") -> None:
        self._told.append(other.sums())
        _count(self.durations, other.durations)
        _count(self.first_tokens, other.first_tokens)


class Rollups:
    """Collects what spans add to rollups and take from them, and writes it in one go."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int, tuple[str, ...]], _Cell] = {}
        self._series: dict[tuple[int, tuple[str, ...]], int] = {}

    def forget(self) -> None:
        """What was collected and is known may be untrue: a transaction was undone."""
        self._cells.clear()
        self._series.clear()

    def add(self, project: int, span: Span, sign: int, *, counts: bool) -> None:
        """The whole span; ``sign`` is -1 to take it out."""
        cell = self._cell(project, span)
        duration_ns, first_ns = span.duration_ns, span.first_token_ns
        summed = sums_of(span) if counts else _NOTHING_SUMMED
        bounded_ns = bounded(duration_ns) or 0
        sums = (1, *summed, bounded_ns, 1 if first_ns else 0, bounded(first_ns) or 0)
        cell.add(sums if sign > 0 else tuple([-number for number in sums]))
        bucket = bucket_of(duration_ns)
        cell.durations[bucket] = cell.durations.get(bucket, 0) + sign
        if first_ns:
            bucket = bucket_of(first_ns)
            cell.first_tokens[bucket] = cell.first_tokens.get(bucket, 0) + sign

    def add_sums(self, project: int, span: Span, sign: int) -> None:
        """Tokens and cost alone."""
        self._cell(project, span).add((0, *[sign * number for number in sums_of(span)], 0, 0, 0))

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring what was collected into the tables."""
        if not self._cells:
            return
        cells = {
            (project, minute * GRAINS_NS[0], self._series_id(connection, project, dimensions)): cell
            for (project, minute, dimensions), cell in self._cells.items()
        }
        rows: list[tuple[int | bytes, ...]] = []
        for grain, size_ns in enumerate(GRAINS_NS):
            cells = _coarser(cells, size_ns) if grain else cells
            rows += [
                (project, grain, start_ns, series, *cell.sums(), *cell.sketches())
                for (project, start_ns, series), cell in cells.items()
            ]
        connection.executemany(_UPSERT, rows)
        self._cells.clear()

    def _cell(self, project: int, span: Span) -> _Cell:
        name = (project, span.started_ns // GRAINS_NS[0], _DIMENSIONS(span))
        cell = self._cells.get(name)
        if cell is None:
            cell = self._cells[name] = _Cell()
        return cell

    def _series_id(self, connection: sqlite3.Connection, project: int, dimensions: tuple[str, ...]) -> int:
        known = self._series.get((project, dimensions))
        if known is not None:
            return known
        found = connection.execute(_FIND_SERIES, (project, *dimensions)).fetchone()
        added = None if found else connection.execute(_ADD_SERIES, (project, *dimensions)).lastrowid
        series = int(found[0]) if found else int(added or 0)
        if len(self._series) >= _MOST_KNOWN_SERIES:
            self._series.clear()
        self._series[project, dimensions] = series
        return series


def sums_of(span: Span) -> tuple[int, ...]:
    """From ``told_usage`` to ``unpriced``, of a span that counts."""
    usage, cost = span.usage, span.cost_nano_usd
    told = _NO_USAGE
    if usage is not None:
        told = (1, usage.total_input, usage.total_output, *_BUCKETS_OF(usage))
        if max(told) > MOST_NUMBER or min(told) < -MOST_NUMBER:
            told = tuple([bounded(number) or 0 for number in told])
    return (*told, 0 if cost is None else 1, bounded(cost) or 0, 1 if span.cost_source == "unknown" else 0)


def _coarser(cells: Mapping[_Place, _Cell], size_ns: int) -> dict[_Place, _Cell]:
    """The cells of the next grain."""
    found: dict[_Place, _Cell] = {}
    for (project, start_ns, series), cell in cells.items():
        place = (project, start_ns // size_ns * size_ns, series)
        total = found.get(place)
        if total is None:
            total = found[place] = _Cell()
        total.join(cell)
    return found


def _count(counts: dict[int, int], more: Mapping[int, int]) -> None:
    for bucket, count in more.items():
        counts[bucket] = counts.get(bucket, 0) + count
