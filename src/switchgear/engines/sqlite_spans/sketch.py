"""A mergeable sketch of how long things took: quantiles within one percent of the true ones.

DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees",
PVLDB 12(12), 2019, https://doi.org/10.14778/3352063.3352135), with a bucket for each power of gamma. Its bytes are
pairs of 32-bit integers, bucket and count, in any order, so that joined bytes are a merged sketch; a negative count
takes values out again.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

RELATIVE_ERROR: Final = 0.01
_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG: Final = 1 / math.log(_GAMMA)
_NOUGHT: Final = -1
"""The bucket of whatever is less than one."""
_PAIR_BYTES: Final = 8
_COMPACT_FROM_BYTES: Final = 4_096


def bucket_of(value: int) -> int:
    """Where a value is counted."""
    return _NOUGHT if value < 1 else math.ceil(math.log(value) * _PER_LOG)


def sketch_bytes(counts: Mapping[int, int]) -> bytes:
    """The sketch of counted buckets."""
    return np.array([number for pair in counts.items() for number in pair], dtype="<i4").tobytes()


def merged(one: bytes, other: bytes) -> bytes:
    """One sketch of two, made small again where many were joined."""
    both = one + other
    if len(both) < _COMPACT_FROM_BYTES or len(other) >= len(one):
        return both
    buckets, counts = _counted([both])
    pairs = np.stack((buckets, counts), axis=1)[counts != 0]
    return pairs.astype("<i4").tobytes()


def quantile(sketches: Iterable[bytes], q: float) -> int | None:
    """The value at rank ``ceil(q * n)``, within RELATIVE_ERROR; None of nothing."""
    buckets, counts = _counted(sketches)
    total = int(counts.sum())
    if total <= 0:
        return None
    rank = max(math.ceil(q * total), 1)
    bucket = int(buckets[np.searchsorted(np.cumsum(counts), rank)])
    return 0 if bucket == _NOUGHT else round(2 * _GAMMA**bucket / (_GAMMA + 1))


def _counted(
    sketches: Iterable[bytes],
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Buckets in order, and how many values each has."""
    pairs = np.frombuffer(b"".join(sketches), dtype="<i4").reshape(-1, 2).astype(np.int64)
    buckets, places = np.unique(pairs[:, 0], return_inverse=True)
    counts = np.zeros(len(buckets), dtype=np.int64)
    np.add.at(counts, places, pairs[:, 1])
    return buckets, counts
