"""The files of a segment: one day's closed traces of one project.

``N.core.parquet`` has a row for each span, ``N.payload.parquet`` each message once (see ``rows.py``); ``N.words.db`` is
their full text (SQLite FTS5 without contents). They lie in a folder for the day, in one for the project.
"""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final
from urllib.parse import quote

_SUFFIXES: Final = ("core.parquet", "payload.parquet", "words.db")
_UNFINISHED: Final = ".unfinished"
_OURS: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}/\d+\.(core\.parquet|payload\.parquet|words\.db)((\.[0-9a-f]+)?\.unfinished)?"
)
_MOST_FOLDER: Final = 200


def folder_beside(store: Path) -> Path:
    """Where what is sealed of a store's spans lies."""
    return store.with_suffix(".sealed")


def segment_name(project: str, project_number: int, day: str, number: int) -> str:
    """The path of a segment's files below the folder, without suffixes."""
    folder = quote(project, safe=" ").replace(".", "%2E")
    if len(folder) > _MOST_FOLDER:
        folder = f"project {project_number}"
    return f"{folder}/{day}/{number}"


class Files:
    """The files of one segment."""

    def __init__(self, folder: Path, name: str, mark: str = "") -> None:
        """``mark``: whose the unfinished ones are, so that nobody's are taken for another's."""
        self._ending = f".{mark}{_UNFINISHED}" if mark else _UNFINISHED
        self.core, self.payload, self.words = (folder / f"{name}.{suffix}" for suffix in _SUFFIXES)

    @property
    def unfinished(self) -> tuple[Path, Path, Path]:
        """Under which names they are written."""
        core, payload, words = (path.with_name(path.name + self._ending) for path in self._all())
        return core, payload, words

    def make_room(self) -> None:
        """Let there be a folder, and nothing in the way of what is to be written."""
        self.core.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.unfinished:
            path.unlink(missing_ok=True)

    def finish(self) -> None:
        """What was written is on the disk, under its names."""
        for unfinished, path in zip(self.unfinished, self._all(), strict=True):
            unfinished.chmod(0o600)
            _sync(unfinished)
            unfinished.rename(path)
        for folder in list(self.core.parents)[:3]:
            _sync(folder)

    def _all(self) -> tuple[Path, Path, Path]:
        return self.core, self.payload, self.words


def sweep(folder: Path, names: Collection[str]) -> None:
    """Remove files of segments that are not among ``names``, and no file that is not ours. Raises OSError."""
    known = {f"{name}.{suffix}" for name in names for suffix in _SUFFIXES}
    for path in list(folder.glob("*/*/*")):
        told = path.relative_to(folder).as_posix()
        if told not in known and _OURS.fullmatch(told.split("/", 1)[1]):
            path.unlink(missing_ok=True)
    for pattern in ("*/*", "*"):
        for path in list(folder.glob(pattern)):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
