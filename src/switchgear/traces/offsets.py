"""Where a reader of the journal stands, and where that is kept."""

import os
from pathlib import Path
from typing import Final, Protocol

from msgspec import DecodeError
from msgspec.json import decode, encode

SUFFIX: Final = ".offsets"
SKIPPED: Final = 1 << 62
"""The offset that stands for a segment of which nothing more will be read."""

Position = dict[str, int]
"""Offset behind the last record taken, by the segment's name."""


class Offsets(Protocol):
    """Where a reader's position is kept."""

    def load(self) -> Position:
        """The last committed position; empty at first."""
        ...

    def commit(self, position: Position) -> None:
        """Keep ``position``, durably."""
        ...


class FileOffsets:
    """Keeps a position in a file, replaced atomically.

    A file in the journal's own folder, named ``*.offsets``, registers its reader: no segment that the reader has not
    read to the end is deleted, unless the journal's settings say so. A store that keeps its position in its own
    transactions registers by committing a copy here afterwards.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Position:
        """Raises ValueError when the file is not what :meth:`commit` wrote."""
        try:
            return decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return {}
        except DecodeError as error:
            raise ValueError(f"{self._path} holds no offsets ({error}); remove it to read from the start") from error

    def commit(self, position: Position) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        with fresh.open("wb") as file:
            file.write(encode(position))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def registered_positions(directory: Path) -> dict[str, Position]:
    """Every registered reader's position, by the name of its file; a beginner's where it cannot be read."""
    found: dict[str, Position] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            found[path.name] = FileOffsets(path).load()
        except ValueError:
            found[path.name] = {}
    return found
