"""How much of the journal is kept, and in what size."""

import logging
from pathlib import Path
from typing import Literal

from switchgear.traces.offsets import Position, registered_positions
from switchgear.traces.segment import is_final, segments, trim

WhenUnread = Literal["keep", "delete"]
"""What becomes of an old segment that a registered reader has not read to its end."""


class Retention:
    """Deletes the oldest segments when all of them together are larger than ``keep_bytes``; never one in use.

    What killed writers left behind their last entries is cut off first. A segment in use counts with all the room that
    it has taken on the disk.
    """

    def __init__(self, directory: Path, keep_bytes: int, when_unread: WhenUnread) -> None:
        self._directory = directory
        self._keep_bytes = keep_bytes
        self._when_unread: WhenUnread = when_unread
        self._log = logging.getLogger("switchgear.journal")
        self._trimmed: set[str] = set()
        self.deleted_segments = 0
        self.deleted_unread_bytes = 0
        """Bytes of records that were deleted before every registered reader had them."""

    def enforce(self) -> None:
        """Delete what is too much. Another process may do the same at the same time. Raises OSError."""
        found = segments(self._directory)
        self._trim(found)
        sizes = {path: size for path in found if (size := _size(path)) is not None}
        excess = sum(sizes.values()) - self._keep_bytes
        if excess <= 0:
            return
        readers = registered_positions(self._directory)
        for path, size in sizes.items():
            if excess <= 0:
                return
            if self._delete(path, size, readers):
                excess -= size

    def _trim(self, found: list[Path]) -> None:
        """Trim each segment once, when it is final."""
        self._trimmed.intersection_update(path.name for path in found)
        for path in found:
            if path.name in self._trimmed:
                continue
            try:
                final = trim(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.warning("the zeros at the end of %s cannot be cut off: %s", path, error)
                continue
            if final:
                self._trimmed.add(path.name)

    def _delete(self, path: Path, size: int, readers: dict[str, Position]) -> bool:
        behind = {name: position.get(path.name, 0) for name, position in readers.items()}
        name, offset = min(behind.items(), key=lambda item: item[1], default=("", size))
        unread = max(size - offset, 0)
        if unread and self._when_unread == "keep":
            self._log.warning("%s is over keep_bytes, but stays: %s has not read it", path.name, name)
            return False
        try:
            if not is_final(path):
                return False
            path.unlink()
        except FileNotFoundError:
            return True
        self.deleted_segments += 1
        if unread:
            self.deleted_unread_bytes += unread
            self._log.warning("deleted %s over keep_bytes, although %s has not read it", path.name, name)
        return True


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
