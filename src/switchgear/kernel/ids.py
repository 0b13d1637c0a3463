"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that ids sort by the time they were made."""

import os
import random
from collections.abc import Callable
from typing import Final

from switchgear.kernel.clock import Clock

RandomBits = Callable[[int], int]

_VERSION_7: Final = 7 << 76
_VARIANT: Final = 2 << 62
_RAND_B_MASK: Final = (1 << 62) - 1


def seeded_bits() -> RandomBits:
    """A fast source of random bits, seeded from the system's; for ids and weighted choice, never for secrets."""
    return random.Random(os.urandom(32)).getrandbits  # noqa: S311 (ids need uniqueness, not secrecy)


def secret_hex(byte_count: int) -> str:
    """``byte_count`` bytes from the system's secure source, as hexadecimal text; for keys and tokens."""
    return os.urandom(byte_count).hex()


class Ids:
    """Makes UUIDv7 values as 32 hexadecimal digits: 48 bits of milliseconds, then 74 random bits."""

    __slots__ = ("_random_bits", "_wall_ns")

    def __init__(self, clock: Clock, random_bits: RandomBits) -> None:
        self._wall_ns = clock.wall_ns
        self._random_bits = random_bits

    def new(self) -> str:
        """A fresh id, 32 lower-case hexadecimal digits."""
        bits = self._random_bits(74)
        milliseconds = self._wall_ns() // 1_000_000
        value = (milliseconds << 80) | _VERSION_7 | ((bits >> 62) << 64) | _VARIANT | (bits & _RAND_B_MASK)
        return f"{value:032x}"
