"""Key and value in a directory that the gateways of one machine share: a file for each key.

A file is written under another name and renamed, so that whoever reads sees all of it or the one before. It is not
flushed to the disk: what a power cut leaves behind is told by its checksum, and absent. Its modification time is the
moment it runs out, so that cleaning needs no more than a look at the directory: what has run out goes, then what
would run out first. Files are named by the hash of their key, and only their owner may read them.

Header: 4 bytes of magic, expiry (wall clock, ns) and length of the value as 8 bytes each, CRC-32 of the value as 4.
"""

import asyncio
import errno
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import KeyValue

_HEADER: Final = struct.Struct("<4sQQI")
_MAGIC: Final = b"SGK1"
_UNFINISHED: Final = ".new"
_UNFINISHED_NS: Final = 600 * 1_000_000_000
"""After so long a file that was never renamed belongs to a process that is gone."""
_NANOSECONDS: Final = 1_000_000_000
_ON_THE_LOOP_BYTES: Final = 64 * 1024
"""A smaller file costs less than handing it to a thread."""
_CLEANINGS: Final = 16
"""How often the directory is looked at while ``keep_bytes`` are written by one process."""
_KEPT_AFTER_CLEANING: Final = 0.9


class FileKeyValue:
    """A KeyValue that survives restarts and that all processes with the same directory see.

    The size of all files is held near ``keep_bytes``: each process looks after it has written a sixteenth of that.
    """

    def __init__(self, directory: Path, clock: Clock, keep_bytes: int) -> None:
        self._directory = directory
        self._clock = clock
        self._keep_bytes = keep_bytes
        self._written_bytes = keep_bytes
        """Since the last cleaning; at the start, because nobody knows what is there."""
        self._writes = 0
        self._cleaning: asyncio.Future[None] | None = None
        self._log = logging.getLogger("switchgear.state")

    async def get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        if size > _ON_THE_LOOP_BYTES:
            return await asyncio.to_thread(self._read, path)
        return self._read(path)

    async def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        size = _HEADER.size + len(value)
        if size > self._keep_bytes:
            raise OSError(errno.EFBIG, f"{len(value)} bytes are more than the store keeps in all ({self._keep_bytes})")
        path = self._path(key)
        expires_ns = self._clock.wall_ns() + round(ttl_seconds * _NANOSECONDS)
        self._writes += 1
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.{self._writes}{_UNFINISHED}")
        if size > _ON_THE_LOOP_BYTES:
            await asyncio.to_thread(_write, unfinished, path, value, expires_ns)
        else:
            _write(unfinished, path, value, expires_ns)
        self._written_bytes += size
        self._clean_sometimes()

    async def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self._path(key).unlink()

    def _path(self, key: str) -> Path:
        name = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self._directory / name[:2] / name

    def _read(self, path: Path) -> bytes | None:
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            return None
        if len(found) < _HEADER.size:
            return None
        magic, expires_ns, length, checksum = _HEADER.unpack_from(found)
        value = found[_HEADER.size :]
        whole = magic == _MAGIC and len(value) == length and zlib.crc32(value) == checksum
        return value if whole and expires_ns > self._clock.wall_ns() else None

    def _clean_sometimes(self) -> None:
        busy = self._cleaning is not None and not self._cleaning.done()
        if busy or self._written_bytes < self._keep_bytes // _CLEANINGS:
            return
        self._written_bytes = 0
        self._cleaning = asyncio.get_running_loop().run_in_executor(None, self._clean)

    async def cleaned(self) -> None:
        """Wait for the cleaning that is under way, if one is."""
        if self._cleaning is not None:
            await self._cleaning

    def _clean(self) -> None:
        try:
            self._remove_surplus()
        except OSError as error:
            self._log.warning("the state in %s cannot be cleaned: %s", self._directory, error.strerror)

    def _remove_surplus(self) -> None:
        now_ns = self._clock.wall_ns()
        kept: list[tuple[int, int, Path]] = []
        for path, found in _files(self._directory):
            unfinished = path.name.endswith(_UNFINISHED)
            runs_out_ns = found.st_mtime_ns + (_UNFINISHED_NS if unfinished else 0)
            if runs_out_ns <= now_ns:
                path.unlink(missing_ok=True)
            elif not unfinished:
                kept.append((runs_out_ns, found.st_size, path))
        total = sum(size for _, size, _ in kept)
        if total <= self._keep_bytes:
            return
        for _, size, path in sorted(kept):
            if total <= self._keep_bytes * _KEPT_AFTER_CLEANING:
                return
            path.unlink(missing_ok=True)
            total -= size


def _write(unfinished: Path, path: Path, value: bytes, expires_ns: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(file, _HEADER.pack(_MAGIC, expires_ns, len(value), zlib.crc32(value)) + value)
            os.utime(file, ns=(expires_ns, expires_ns))
        finally:
            os.close(file)
        unfinished.rename(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _write_all(file: int, data: bytes) -> None:
    """A full disk takes a part at first, and only the next write says why."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files below, with what is known of each; another process may remove some meanwhile."""
    for folder in directory.iterdir():
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):
                yield path, path.stat()


if TYPE_CHECKING:
    _: type[KeyValue] = FileKeyValue
