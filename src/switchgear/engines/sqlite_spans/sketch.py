"""A mergeable sketch of how long things took: quantiles within one percent of the true ones.

DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees",
PVLDB 12(12), 2019, https://doi.org/10.14778/3352063.3352135), with a bucket for each power of gamma. Its bytes are
pairs of 32-bit integers, bucket and count, in any order, so that joined bytes are a merged sketch; a negative count
takes values out again.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np

RELATIVE_ERROR: Final = 0.01
_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG: Final = 1 / math.log(_GAMMA)
_NOUGHT: Final = -1
"""The bucket of whatever is less than one."""
_PAIR_BYTES: Final = 8
_COMPACT_FROM_BYTES: Final = 4_096
_MOST_CELLS: Final = 1_000_000
"""Looked at together: eight megabytes."""
_Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def bucket_of(value: int) -> int:
    """Where a value is counted."""
    return _NOUGHT if value < 1 else math.ceil(math.log(value) * _PER_LOG)


def sketch_bytes(counts: Mapping[int, int]) -> bytes:
    """The sketch of counted buckets."""
    return struct.pack(f"<{2 * len(counts)}i", *chain.from_iterable(counts.items()))


def merged(one: bytes, other: bytes) -> bytes:
    """One sketch of two, made small again where many were joined."""
    both = one + other
    if len(both) < _COMPACT_FROM_BYTES or len(other) >= len(one):
        return both
    buckets, counts = _counted(both)
    pairs = np.stack((buckets, counts), axis=1)[counts != 0]
    return pairs.astype("<i4").tobytes()


class Joined:
    """The sketch of a group of rows, as an aggregate function of SQLite; NULL of no row."""

    __slots__ = ("_sketches",)

    def __init__(self) -> None:
        self._sketches: list[bytes] = []

    def step(self, sketch: bytes) -> None:
        """One row's."""
        self._sketches.append(sketch)

    def finalize(self) -> bytes:
        """All of them."""
        return b"".join(self._sketches)


def quantiles(sketches: Sequence[bytes], q: float) -> list[int | None]:
    """Of each sketch the value at rank ``ceil(q * n)``, within RELATIVE_ERROR; None of nothing."""
    if not any(sketches):
        return [None] * len(sketches)
    pairs = np.frombuffer(b"".join(sketches), dtype="<i4").reshape(-1, 2)
    ends = np.cumsum([len(sketch) // _PAIR_BYTES for sketch in sketches])
    lowest = int(pairs[:, 0].min())
    width = int(pairs[:, 0].max()) - lowest + 1
    at_once = max(_MOST_CELLS // width, 1)
    found: list[int | None] = []
    for first in range(0, len(sketches), at_once):
        some = ends[first : first + at_once]
        begin = int(ends[first - 1]) if first else 0
        sizes = np.diff(some, prepend=begin)
        cells = np.repeat(np.arange(len(some)) * width, sizes) + (pairs[begin : some[-1], 0] - lowest)
        counts = np.bincount(cells, weights=pairs[begin : some[-1], 1], minlength=len(some) * width)
        places = _places(counts.astype(np.int64), len(some), q)
        found += [None if place < 0 else _value(lowest + place) for place in places]
    return found


def _places(counts: _Numbers, rows: int, q: float) -> list[int]:
    """In each of ``rows`` equal parts, where the value at the rank is counted; -1 where there is none."""
    width = len(counts) // rows
    up_to = np.cumsum(counts)
    ends = up_to[width - 1 :: width]
    before = np.concatenate(([0], ends[:-1]))
    totals = ends - before
    ranks = np.maximum(np.ceil(q * totals), 1)
    places = np.searchsorted(up_to, before + ranks) - np.arange(rows) * width
    return np.where(totals > 0, places, -1).tolist()


def _value(bucket: int) -> int:
    return 0 if bucket == _NOUGHT else round(2 * _GAMMA**bucket / (_GAMMA + 1))


def _counted(sketch: bytes) -> tuple[_Numbers, _Numbers]:
    """Buckets in order, and how many values each has."""
    pairs = np.frombuffer(sketch, dtype="<i4").reshape(-1, 2).astype(np.int64)
    buckets, places = np.unique(pairs[:, 0], return_inverse=True)
    counts = np.zeros(len(buckets), dtype=np.int64)
    np.add.at(counts, places, pairs[:, 1])
    return buckets, counts
