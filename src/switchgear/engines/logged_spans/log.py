"""Files to which batches of spans are appended, until the store behind them has them all.

A record is a head (length, CRC-32, number of the batch) and what was appended; a head of length 0 says that all batches
up to its number are in the store, in whichever file of the same process they lie. Each file is locked by the process
that appends to it: another one takes over what is not locked. What follows a record that was cut off was never
acknowledged.
"""

import fcntl
import os
import re
import secrets
import struct
import threading
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct("<IIQ")
_NAME: Final = re.compile(r"(\d+)-([0-9a-f]+)\.(?:spans|refused)")
"""A number that puts files in order, and whose they are."""
_ENDING: Final = ".spans"
_ASIDE: Final = ".refused"
_FULL_BYTES: Final = 8 * 1024 * 1024
"""A file that has so many is followed by another."""
_TIDY_BYTES: Final = 1024 * 1024
"""A file of which everything is in the store stays while it is smaller: removing one for every batch costs more."""
_MOST_ASIDE: Final = 100
_NEVER_DONE: Final = 1 << 63
"""The number of a batch that was set aside: what a file of the same process says is in the store is none of it."""


class Left(NamedTuple):
    """A batch that another process appended, and that may not be in the store."""

    number: int
    data: bytes


class _File:
    """One file, locked by this process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = 0
        self.last = 0
        """The number of the last batch in it."""

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class SpanLog:
    """The files of a folder. All methods may be called from any thread, one at a time; they raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mine = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._current: _File | None = None
        self._older: deque[_File] = deque()
        self._last = 0
        self._done = 0
        self._told_done = 0

    def open(self) -> list[Left]:
        """Take over what other processes left: their batches in the order in which they came, with new numbers."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock:
            said: list[tuple[str, bytes]] = []
            for path in sorted(self._folder.glob(f"*{_ENDING}")):
                named, file = _NAME.fullmatch(path.name), _locked(path, os.O_RDWR)
                if file is not None:
                    said.append(("" if named is None else named[2], path.read_bytes()))
                    self._older.append(file)
            found: list[Left] = []
            for file, batches in zip(self._older, _unfinished(said), strict=True):
                found += [Left(self._last + place, data) for place, data in enumerate(batches, 1)]
                self._last += len(batches)
                file.last = self._last
            self._drop_older()
            return found

    def append(self, data: bytes) -> int:
        """The batch's number, once it is on the disk."""
        with self._lock:
            file = self._current or self._created()
            number = self._last + 1
            said = self._done_said() + _head(number, data) + data
            try:
                _write(file.descriptor, said)
                os.fdatasync(file.descriptor)
            except OSError:
                # What is on the disk is not known: nobody may read it as a batch, and nothing is to follow it.
                with suppress(OSError):
                    os.ftruncate(file.descriptor, file.size)
                self._turn()
                raise
            file.size += len(said)
            file.last = self._last = number
            self._told_done = self._done
            if file.size >= _FULL_BYTES:
                self._turn()
            return number

    def done(self, number: int) -> None:
        """All batches up to this number are in the store."""
        with self._lock:
            self._done = max(self._done, number)
            self._drop_older()
            file = self._current
            if file is not None and file.last <= self._done and file.size >= _TIDY_BYTES:
                file.remove()
                self._current = None

    def forget(self) -> None:
        """Nothing of what is in the store is read from here again, whatever happens; its bytes go as soon as may be."""
        with self._lock:
            if self._done < self._last:
                file = self._current or self._created()
                said = _head(self._done, b"")
                _write(file.descriptor, said)
                file.size += len(said)
                os.fdatasync(file.descriptor)
            self._turn()
            self._drop_older()
            _sync(self._folder)

    def set_aside(self, data: bytes) -> Path | None:
        """Keep a batch that the store will not take, for people to look at; None where too many are kept already."""
        with self._lock:
            if len(list(self._folder.glob(f"*{_ASIDE}"))) >= _MOST_ASIDE:
                return None
            path = self._unused(_ASIDE)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                _write(descriptor, _head(_NEVER_DONE, data) + data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return path

    def close(self) -> None:
        """What is not in the store stays for whoever opens the folder next."""
        with self._lock:
            if self._current is not None:
                self._turn()
            self._drop_older()
            for file in self._older:
                os.close(file.descriptor)
            self._older.clear()

    def _created(self) -> _File:
        file = _locked(self._unused(_ENDING), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        assert file is not None
        _sync(self._folder)
        self._current = file
        return file

    def _unused(self, ending: str) -> Path:
        """Behind all that are there, in the order of names."""
        numbers = [int(named[1]) for path in self._folder.iterdir() if (named := _NAME.fullmatch(path.name))]
        return self._folder / f"{max(numbers, default=0) + 1:012d}-{self._mine}{ending}"

    def _turn(self) -> None:
        """Nothing more is appended to the current file."""
        if self._current is not None:
            self._older.append(self._current)
            self._current = None

    def _drop_older(self) -> None:
        while self._older and self._older[0].last <= self._done:
            self._older.popleft().remove()

    def _done_said(self) -> bytes:
        return _head(self._done, b"") if self._done != self._told_done else b""


def _head(number: int, data: bytes) -> bytes:
    return _HEAD.pack(len(data), zlib.crc32(data, number & 0xFFFFFFFF), number)


def _unfinished(files: Iterable[tuple[str, bytes]]) -> list[list[bytes]]:
    """Of each file, by whose it was and what it says: the batches of which nobody says that the store has them."""
    done: Counter[str] = Counter()
    batches: list[tuple[str, list[tuple[int, bytes]]]] = []
    for owner, said in files:
        batches.append((owner, []))
        for number, data in _records(said):
            if data:
                batches[-1][1].append((number, data))
            else:
                done[owner] = max(done[owner], number)
    return [[data for number, data in some if number > done[owner]] for owner, some in batches]


def _records(said: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD.size <= len(said):
        length, check, number = _HEAD.unpack_from(said, at)
        data = said[at + _HEAD.size : at + _HEAD.size + length]
        if len(data) < length or zlib.crc32(data, number & 0xFFFFFFFF) != check:
            return
        yield number, data
        at += _HEAD.size + length


def _locked(path: Path, flags: int) -> _File | None:
    """The file, opened; None where another process has it."""
    descriptor = os.open(path, flags | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return _File(path, descriptor)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
