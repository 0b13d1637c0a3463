"""Reading the journal: every record of every gateway once, from where the last commit stood.

The reader gives records and a position; whoever stores the records commits the position *in the same transaction*, and
then nothing is stored twice or missed, whatever is killed in between. Where the store has no transactions, records
may come again after a crash; their ids make that harmless.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.record import CallRecord
from switchgear.traces.offsets import SKIPPED, FileOffsets, Offsets, Position
from switchgear.traces.segment import HEADER, Scan, SegmentReader, ends_blank, is_blank_at, is_final, segments

__all__ = [
    "BATCH_BYTES",
    "Batch",
    "Damage",
    "FileOffsets",
    "JournalReader",
    "Offsets",
    "Position",
    "records_up_to",
]

BATCH_BYTES: Final = 1024 * 1024
_QUIET_LOOKS: Final = 4
"""Until a reader that finds nothing new reads again: what a dead writer left changes only by that, and so do rare
segments that begin in the very moment in which the folder was read."""


class Batch(Struct, frozen=True, kw_only=True):
    """Some records, and the position behind them."""

    records: list[CallRecord]
    position: Position
    more: bool = False
    """The batch is full: the next one is there already."""


class Damage(Struct, frozen=True, kw_only=True):
    """A place from which on a segment is not read."""

    segment: str
    offset: int
    kind: Literal["torn", "corrupt"]
    """``torn``: the writer or its machine died before what follows was whole. ``corrupt``: these bytes nobody wrote."""


class JournalReader:
    """Reads all segments of a directory, oldest first, and goes on when they grow.

    Each batch begins where the last one ended, committed or not. A caller whose store refused a batch makes a new
    reader, which begins where the last commit stood.
    """

    def __init__(self, directory: Path, offsets: Offsets, kind: type[CallRecord] = CallRecord) -> None:
        """``kind`` CapturedRecord: records with what calls said, which is else passed over."""
        self._directory = directory
        self._offsets = offsets
        self._position = dict(offsets.load())
        self._reader = SegmentReader(kind)
        self._log = logging.getLogger("switchgear.journal")
        self._read_records = 0
        self._quiet_looks = 0
        self._folder_ns = 0
        """When segments came or went last, as it was before they were listed."""
        self._ends: list[tuple[Path, int]] = []
        """Segments with room behind what was read, and where that begins."""
        self.damages: list[Damage] = []
        """What was found broken; the rest of such a segment is skipped."""

    def is_quiet(self) -> bool:
        """Whether nothing has come since a reading found nothing, by a look of microseconds that needs no thread.

        A few in a row say so at most; what else can change, the next reading finds.
        """
        if not self._quiet_looks:
            return False
        self._quiet_looks -= 1
        try:
            if _changed_ns(self._directory) != self._folder_ns:
                return False
            return all(is_blank_at(path, offset) for path, offset in self._ends)
        except OSError:
            return False

    def read_batch(self) -> Batch | None:
        """The next records, about a mebibyte of them; None when there are none yet.

        A batch without records moves the position past something broken, or past the zeros that a killed writer left.
        """
        before = self._position
        self._ends, self._folder_ns = [], _changed_ns(self._directory)
        position: Position = {}
        records: list[CallRecord] = []
        room = BATCH_BYTES
        for path in segments(self._directory):
            offset = before.get(path.name, 0)
            scan = self._scan(path, offset, room) if room > 0 else None
            if scan is None:
                position[path.name] = offset
                continue
            records += scan.records
            position[path.name] = self._end(path, scan)
            room = 0 if scan.more else room - (scan.end - offset)
        self._position = position
        self._read_records += len(records)
        moved = any(position[name] == SKIPPED != before.get(name) for name in position)
        if not records and not moved:
            self._quiet_looks = _QUIET_LOOKS
            return None
        self._quiet_looks = 0
        return Batch(records=records, position=dict(position), more=room <= 0)

    def commit(self, position: Mapping[str, int]) -> None:
        """Keep a batch's position by the reader's own offsets; for stores that do not do it themselves."""
        self._offsets.commit(dict(position))

    def skip_to_end(self) -> None:
        """Take everything that is there now as read."""
        for path in segments(self._directory):
            if is_final(path):
                self._position[path.name] = SKIPPED
                continue
            offset = self._position.get(path.name, 0)
            while (scan := self._reader.scan(path, offset, BATCH_BYTES)).records:
                offset = scan.end
            self._position[path.name] = offset

    def counts(self) -> Mapping[str, int]:
        """What was read here, for the meter."""
        torn = sum(damage.kind == "torn" for damage in self.damages)
        return {
            "read_records": self._read_records,
            "torn_segments": torn,
            "corrupt_segments": len(self.damages) - torn,
        }

    def _scan(self, path: Path, offset: int, room: int) -> Scan | None:
        """What comes next in a segment, damaged only where nothing will change; None when nothing is there."""
        try:
            if path.stat().st_size <= offset:
                return None
            self._ends.append((path, max(offset, len(HEADER))))
            # Asked before reading: what is read after the writer has gone is all there will ever be.
            final = is_final(path)
            scan = self._reader.scan(path, offset, room)
            if final and scan.state == "whole" and not scan.more:
                scan = self._ended(path, scan)
        except FileNotFoundError:
            return None
        if scan.state != "whole" and not final:
            # An entry that is not finished looks like this too. It is read again until it is, or its writer has gone.
            return Scan(records=scan.records, end=scan.end, state="whole")
        return scan

    def _ended(self, path: Path, scan: Scan) -> Scan:
        """The last entries of a final segment, with what the bytes behind them make of it."""
        if path.stat().st_size <= scan.end:
            return scan
        if ends_blank(path, scan.end):
            return Scan(records=scan.records, end=SKIPPED, state="whole")
        return Scan(records=scan.records, end=scan.end, state="torn")

    def _end(self, path: Path, scan: Scan) -> int:
        if scan.state == "whole":
            return scan.end
        self.damages.append(Damage(segment=path.name, offset=scan.end, kind=scan.state))
        self._log.warning("%s is %s at byte %d; the rest of it is skipped", path, scan.state, scan.end)
        return SKIPPED


def _changed_ns(directory: Path) -> int:
    """When something came or went in a folder last; 0 where there is none."""
    try:
        return directory.stat().st_mtime_ns
    except OSError:
        return 0


def records_up_to(directory: Path, position: Mapping[str, int]) -> Iterator[list[CallRecord]]:
    """What a reader at ``position`` has read and the journal still holds, about a mebibyte at a time."""
    reader = SegmentReader()
    for path in segments(directory):
        offset, end = 0, position.get(path.name, 0)
        while offset < end:
            try:
                scan = reader.scan(path, offset, min(BATCH_BYTES, end - max(offset, len(HEADER))))
            except FileNotFoundError:
                break
            if not scan.records:
                break
            yield scan.records
            offset = scan.end
