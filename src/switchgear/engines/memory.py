"""Key and value in this process: bounded in bytes and entries, the least recently used goes first."""

import errno
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import KeyValue

_NANOSECONDS: Final = 1_000_000_000
_ENTRY_BYTES: Final = 256
"""What an entry costs beside its key and value."""


class _Entry(Struct):
    value: bytes
    expires_ns: int


class MemoryKeyValue:
    """A KeyValue that no other process sees, and that ends with this one."""

    def __init__(self, clock: Clock, keep_bytes: int, keep_entries: int = 100_000) -> None:
        self._clock = clock
        self._keep_bytes = keep_bytes
        self._keep_entries = keep_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_ns <= self._clock.monotonic_ns():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    async def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        size = _size(key, value)
        if size > self._keep_bytes:
            raise OSError(errno.EFBIG, f"{len(value)} bytes are more than the store keeps in all ({self._keep_bytes})")
        self._drop(key)
        self._entries[key] = _Entry(value, self._clock.monotonic_ns() + round(ttl_seconds * _NANOSECONDS))
        self._bytes += size
        while self._bytes > self._keep_bytes or len(self._entries) > self._keep_entries:
            self._drop(next(iter(self._entries)))

    async def delete(self, key: str) -> None:
        self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry.value)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_BYTES


if TYPE_CHECKING:
    _: type[KeyValue] = MemoryKeyValue
