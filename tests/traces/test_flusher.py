"""What is written reaches the disk on the flusher's thread, and whoever waits for it is told, whatever happens."""

import os
from pathlib import Path

from switchgear.traces.flusher import Flusher


def nothing() -> None:
    """There is nothing to clear up."""


def opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT)


def is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


async def test_a_flush_that_fails_is_told_and_holds_nobody_up() -> None:
    # A pipe cannot be flushed to a disk.
    reading, writing = os.pipe()
    failures: list[OSError] = []
    flusher = Flusher(writing, 0, nothing, failures.append)
    flusher.dirty = True
    flusher.wake.set()
    await flusher.flushed()
    assert failures
    flusher.close()
    os.close(reading)


async def test_a_file_that_was_followed_by_another_is_flushed_and_closed(tmp_path: Path) -> None:
    failures: list[OSError] = []
    first, second = opened(tmp_path / "1"), opened(tmp_path / "2")
    flusher = Flusher(first, 0, nothing, failures.append)
    flusher.change(second)
    await flusher.flushed()
    assert not is_open(first)
    assert is_open(second)
    flusher.close()
    assert not is_open(second)
    assert failures == []


async def test_it_clears_up_at_the_start_and_after_each_change_of_files(tmp_path: Path) -> None:
    rounds: list[bool] = []
    first, second = opened(tmp_path / "1"), opened(tmp_path / "2")
    flusher = Flusher(first, 0, lambda: rounds.append(is_open(first)), lambda _: None)
    await flusher.flushed()
    await flusher.flushed()
    flusher.change(second)
    await flusher.flushed()
    await flusher.flushed()
    assert rounds == [True, False]
    flusher.close()


async def test_after_the_end_nobody_waits(tmp_path: Path) -> None:
    flusher = Flusher(opened(tmp_path / "1"), 60, nothing, lambda _: None)
    flusher.close()
    flusher.close()
    await flusher.flushed()
