"""What no text of the project may say: unfinished work, one person's machine, a package mirror."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import CODE_FOLDERS, ROOT, files_below

BINARY_SUFFIXES = {".bin", ".gif", ".gz", ".ico", ".jpg", ".o", ".parquet", ".png", ".pyc", ".woff2", ".zst"}
# Written in pieces, so that this file does not say them.
FORBIDDEN = {
    "unfinished work": re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|NotImplemented" + r"Error"),
    "a path of one machine": re.compile(r"(?<![\w.$}~-])/(work|ro" + r"ot|opt/py" + r"pi|opt/wh" + r"eels)/"),
    "a package mirror": re.compile(r"--(extra-)?index-" + r"url[ =]|--find-" + r"links[ =]|file:/" + r"//"),
}


def texts() -> Iterator[Path]:
    folders = (*CODE_FOLDERS, "docs", "requirements", ".ci", "examples")
    below = (path for folder in folders if (ROOT / folder).is_dir() for path in files_below(ROOT / folder, "*"))
    for path in (*below, *sorted(ROOT.glob("*"))):
        if path.is_file() and path.suffix not in BINARY_SUFFIXES:
            yield path


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_speaks_of(what: str) -> None:
    found: list[str] = []
    for path in texts():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in FORBIDDEN[what].finditer(text)]
    assert found == []


def test_lock_files_pin_every_package_by_hash() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        blocks = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text(encoding="utf-8"))
        unpinned = [block.split("\n")[0] for block in blocks if "==" in block and "--hash=sha256:" not in block]
        assert unpinned == [], lock.name
        assert any("==" in block for block in blocks), lock.name
