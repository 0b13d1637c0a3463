"""What counters of one process leave to the next: its form, in parts that are written one after the other."""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field, msgpack

_LENGTH: Final = struct.Struct("<I")
"""Before each part."""


class SavedCount(Struct, frozen=True, array_like=True):
    """One window of one counter, as it is written down."""

    counter: str
    window: str
    settled: int
    forget_wall_ns: int


class SavedHold(Struct, frozen=True, array_like=True):
    """One reservation, as it is written down: counters, windows and amounts."""

    reservation: str
    expires_wall_ns: int
    amounts: tuple[tuple[str, str, int], ...]


class SavedCounters(Struct, frozen=True):
    """All that :meth:`MemoryCounters.dump` writes down."""

    counts: tuple[SavedCount, ...]
    holds: tuple[SavedHold, ...]
    remembered: dict[str, int] = field(default_factory=dict[str, int])
    """Reservations that were let go and entries that were counted, each with the wall time when it is forgotten."""


def written(part: SavedCounters) -> bytes:
    """One part, with its length before it."""
    saved = msgpack.encode(part)
    return _LENGTH.pack(len(saved)) + saved


def parts_of(saved: bytes) -> Iterator[SavedCounters]:
    """All parts that were written. Raises ValueError."""
    at = 0
    while at < len(saved):
        begin = at + _LENGTH.size
        if begin > len(saved):
            raise ValueError("what was counted is cut off")
        at = begin + _LENGTH.unpack_from(saved, at)[0]
        yield msgpack.decode(saved[begin:at], type=SavedCounters)
