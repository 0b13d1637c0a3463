"""Reports of the gateways of one machine, as files beside the journal: ``gateways/<gateway>.json``.

A file is replaced by rename, and locked by its writer as long as that lives: what stands there without a lock was left
behind by a gateway that was killed, and whoever meets it takes it away.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import DecodeError
from msgspec.json import decode, encode

from switchgear.routing.report import FleetReport

FOLDER: Final = "gateways"
_SUFFIX: Final = ".json"

Stamp = tuple[int, int]


class ReportFile:
    """One gateway's own file, and its eye on the others'. Used by one thread at a time."""

    def __init__(self, journal: Path, gateway: str) -> None:
        self._folder = journal / FOLDER
        self._path = self._folder / f"{gateway}{_SUFFIX}"
        self._held = -1
        self._seen: dict[str, Stamp] = {}

    def write(self, report: FleetReport) -> None:
        """Put ``report`` in the place of the last one. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            with os.fdopen(file, "wb", closefd=False) as writing:
                writing.write(encode(report))
            draft.rename(self._path)
        except OSError:
            os.close(file)
            raise
        self._release()
        self._held = file

    def changed(self) -> list[FleetReport]:
        """Reports of other gateways that were written since the last look. Raises OSError."""
        found: list[FleetReport] = []
        seen: dict[str, Stamp] = {}
        for path in _paths(self._folder):
            stamp = None if path == self._path else _stamp(path)
            if stamp is None:
                continue
            seen[path.name] = stamp
            report = None if self._seen.get(path.name) == stamp else _living_report(path)
            if report is not None:
                found.append(report)
        self._seen = seen
        return found

    def close(self) -> None:
        """Take the file away. Raises OSError."""
        self._path.unlink(missing_ok=True)
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)


def living_reports(journal: Path) -> list[FleetReport]:
    """What every living gateway with this journal told last. Raises OSError."""
    reports = (_living_report(path) for path in _paths(journal / FOLDER))
    return [report for report in reports if report is not None]


def _paths(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob(f"*{_SUFFIX}"))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns)


def _living_report(path: Path) -> FleetReport | None:
    """None, and the file is gone, when its writer is; None for what is no report."""
    try:
        with path.open("rb") as file:
            if _is_left_behind(file.fileno(), path):
                path.unlink(missing_ok=True)
                return None
            return decode(file.read(), type=FleetReport)
    except (OSError, DecodeError):
        return None


def _is_left_behind(file: int, path: Path) -> bool:
    """Whether nobody holds the file, although it is still the one under its name: a living writer locks before it puts
    a file there, and lets go of the one before only then.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    stamp = os.fstat(file)
    return _stamp(path) == (stamp.st_ino, stamp.st_mtime_ns)
