"""Sums and sketches of spans by minute, hour and day, for each series: written with the spans themselves."""

import sqlite3
from collections.abc import Callable, Iterable
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


class _Cell:
    """What is to be added to one row for each grain."""

    __slots__ = ("durations", "first_tokens", "sums")

    def __init__(self) -> None:
        self.sums = [0] * len(CELL_COLUMNS)
        self.durations: dict[int, int] = {}
        self.first_tokens: dict[int, int] = {}

    def add(self, sums: Iterable[int]) -> None:
        self.sums = list(map(int.__add__, self.sums, sums))


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
        cell.add(sums if sign > 0 else [-number for number in sums])
        bucket = bucket_of(duration_ns)
        cell.durations[bucket] = cell.durations.get(bucket, 0) + sign
        if first_ns:
            bucket = bucket_of(first_ns)
            cell.first_tokens[bucket] = cell.first_tokens.get(bucket, 0) + sign

    def add_sums(self, project: int, span: Span, sign: int) -> None:
        """Tokens and cost alone."""
        self._cell(project, span).add((0, *(sign * number for number in sums_of(span)), 0, 0, 0))

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring what was collected into the tables."""
        if not self._cells:
            return
        rows: dict[tuple[int, int, int, int], _Cell] = {}
        for (project, minute, dimensions), cell in self._cells.items():
            series = self._series_id(connection, project, dimensions)
            for grain, size_ns in enumerate(GRAINS_NS):
                start_ns = minute * GRAINS_NS[0] // size_ns * size_ns
                _join(rows.setdefault((project, grain, start_ns, series), _Cell()), cell)
        connection.executemany(
            _UPSERT,
            [
                (*name, *cell.sums, sketch_bytes(cell.durations), sketch_bytes(cell.first_tokens))
                for name, cell in rows.items()
            ],
        )
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


def _join(total: _Cell, cell: _Cell) -> None:
    total.add(cell.sums)
    for bucket, count in cell.durations.items():
        total.durations[bucket] = total.durations.get(bucket, 0) + count
    for bucket, count in cell.first_tokens.items():
        total.first_tokens[bucket] = total.first_tokens.get(bucket, 0) + count
