"""What is stored reaches the disk on the flusher's thread, and whoever waits for it is told, whatever happens."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from switchgear.kernel.clock import FrozenClock
from switchgear.traces.flusher import Flusher
from switchgear.traces.health import Health
from switchgear.traces.segment import HEADER
from switchgear.traces.window import WINDOW_BYTES, GrowingSegment


def nothing() -> None:
    """There is nothing to clear up."""


class Scene:
    """Two segments, and the flusher of the first."""

    def __init__(self, directory: Path, delay_seconds: float = 0, tidy: Callable[[], None] = nothing) -> None:
        self.first = GrowingSegment(directory, "1.seg")
        self.second = GrowingSegment(directory, "2.seg")
        self.health = Health(FrozenClock().monotonic_ns, logging.getLogger("switchgear.journal"))
        self.flusher = Flusher(self.first, delay_seconds, tidy, self.health)

    def store(self, data: bytes) -> None:
        """Put bytes into the first segment, as a writer does."""
        window = self.first.advance(len(data))
        at = self.first.position - window.start
        window.memory[at : at + len(data)] = data
        self.first.position += len(data)

    async def flush(self) -> None:
        self.flusher.wake.set()
        await self.flusher.flushed()


def is_open(segment: GrowingSegment) -> bool:
    try:
        os.fstat(segment.file)
    except OSError:
        return False
    return True


async def test_a_flush_that_fails_is_told_and_holds_nobody_up_and_what_it_missed_comes_with_the_next(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    await scene.flush()
    kept = os.dup(scene.first.file)
    # A device that reads as zeros and takes no byte.
    full = os.open("/dev/full", os.O_RDWR)
    scene.store(b"entry")
    os.dup2(full, scene.first.file)
    await scene.flush()
    assert scene.health.failed_flushes == 1
    assert "No space left" in scene.health.last_error
    os.dup2(kept, scene.first.file)
    scene.flusher.try_again()
    await scene.flusher.flushed()
    await scene.flusher.flushed()
    assert scene.health.failed_flushes == 1
    assert scene.health.last_error == ""
    scene.flusher.close()
    scene.second.finish()
    assert (tmp_path / "1.seg").read_bytes() == HEADER + b"entry"
    os.close(kept)
    os.close(full)


async def test_a_segment_cut_short_by_somebody_is_a_failed_flush(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.store(b"entry")
    os.truncate(tmp_path / "1.seg", 3)
    await scene.flush()
    assert "cut the segment short" in scene.health.last_error
    scene.flusher.close()
    scene.second.finish()


async def test_a_segment_that_was_followed_by_another_is_cut_to_its_entries_and_closed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.store(b"entry")
    scene.flusher.change(scene.second)
    await scene.flush()
    assert not is_open(scene.first)
    assert (tmp_path / "1.seg").read_bytes() == HEADER + b"entry"
    assert is_open(scene.second)
    scene.flusher.close()
    assert not is_open(scene.second)
    assert (tmp_path / "2.seg").read_bytes() == HEADER
    assert scene.health.last_error == ""


async def test_it_clears_up_at_the_start_and_after_each_change_of_segments(tmp_path: Path) -> None:
    rounds: list[bool] = []
    made = threading.Event()

    def tidy() -> None:
        made.wait(10)  # the flusher's thread may be here before there is a scene to look at
        rounds.append(is_open(scene.first))

    scene = Scene(tmp_path, tidy=tidy)
    made.set()
    await scene.flusher.flushed()
    await scene.flusher.flushed()
    scene.flusher.change(scene.second)
    await scene.flusher.flushed()
    await scene.flusher.flushed()
    assert rounds == [True, False]
    scene.flusher.close()


async def test_room_is_prepared_without_delay(tmp_path: Path) -> None:
    scene = Scene(tmp_path, delay_seconds=60)
    scene.first.advance(0)
    scene.flusher.prepare()
    await scene.flusher.flushed()
    assert (tmp_path / "1.seg").stat().st_size > WINDOW_BYTES
    scene.flusher.close()
    scene.second.finish()


async def test_after_the_end_nobody_waits(tmp_path: Path) -> None:
    scene = Scene(tmp_path, delay_seconds=60)
    scene.flusher.close()
    scene.flusher.close()
    await scene.flusher.flushed()
    scene.second.finish()
