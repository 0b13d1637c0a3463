"""Reading the journal: every record of every gateway once, from where the last commit stood.

The reader gives records and a position; whoever stores the records commits the position *in the same transaction*, and
then nothing is stored twice or missed, whatever is killed in between. Where the store has no transactions, records
may come again after a crash; their ids make that harmless.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct
from msgspec.json import decode, encode

from switchgear.kernel.record import CallRecord
from switchgear.traces.segment import SegmentReader, segments

BATCH_BYTES: Final = 1024 * 1024

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
    """Keeps a position in a file, replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Position:
        try:
            return decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return {}

    def commit(self, position: Position) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(encode(position))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


class Batch(Struct, frozen=True, kw_only=True):
    """Some records, and the position behind them."""

    records: list[CallRecord]
    position: Position


class Damage(Struct, frozen=True, kw_only=True):
    """A place where a segment cannot be read on."""

    segment: str
    offset: int


class JournalReader:
    """Reads all segments of a directory, oldest first, and goes on when they grow."""

    def __init__(self, directory: Path, offsets: Offsets) -> None:
        self._directory = directory
        self._offsets = offsets
        self._position = offsets.load()
        self._reader = SegmentReader()
        self.damages: dict[str, Damage] = {}
        """Segments that hold something else than records behind an offset; the rest of such a segment is skipped."""

    def read_batch(self) -> Batch | None:
        """The next records; None when there are none yet."""
        position = dict(self._position)
        records: list[CallRecord] = []
        found = segments(self._directory)
        for path in found:
            before = position.get(path.name, 0)
            if path.name in self.damages or not self._has_more(path, before):
                continue
            scan = self._reader.scan(path, before, BATCH_BYTES)
            records += scan.records
            position[path.name] = scan.end
            if scan.state == "corrupt":
                self.damages[path.name] = Damage(segment=path.name, offset=scan.end)
            if len(records) * 100 > BATCH_BYTES:
                break
        if not records:
            return None
        existing = {path.name for path in found}
        kept = {name: offset for name, offset in position.items() if name in existing}
        self._position = kept
        return Batch(records=records, position=kept)

    def commit(self, position: Mapping[str, int]) -> None:
        """Keep a batch's position by the reader's own offsets; for stores that do not do it themselves."""
        self._offsets.commit(dict(position))

    def skip_to_end(self) -> None:
        """Take everything that is there now as read."""
        for path in segments(self._directory):
            offset = self._position.get(path.name, 0)
            while (scan := self._reader.scan(path, offset, BATCH_BYTES)).records:
                offset = scan.end
            self._position[path.name] = offset

    def _has_more(self, path: Path, offset: int) -> bool:
        try:
            return path.stat().st_size > offset
        except FileNotFoundError:
            return False
