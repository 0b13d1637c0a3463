"""A loop's lag, seen from inside."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from threading import Event

from bench.heartbeat import EVERY_NS, Beat, Heart, read_beats


def test_every_beat_that_a_held_up_loop_missed_counts_with_its_own_wait(tmp_path: Path) -> None:
    found = tmp_path / "beats"

    async def held_up() -> None:
        heart = Heart(found)
        Event().wait(0.06)
        await asyncio.sleep(0.01)
        heart.stop()

    asyncio.run(held_up())
    beats = read_beats(found, 0, time.monotonic_ns())
    held = beats[:50]
    assert [later.due - earlier.due for earlier, later in pairwise(held)] == [EVERY_NS] * 49
    assert [earlier.late - later.late for earlier, later in pairwise(held)] == [EVERY_NS] * 49


def test_a_loop_that_slept_did_not_work(tmp_path: Path) -> None:
    found = tmp_path / "beats"

    async def asleep() -> None:
        heart = Heart(found)
        Event().wait(0.06)
        await asyncio.sleep(0.01)
        heart.stop()

    asyncio.run(asleep())
    first = read_beats(found, 0, time.monotonic_ns())[0]
    assert first.late >= 50 * EVERY_NS
    assert first.worked < first.late


def test_only_the_beats_of_the_time_asked_for_are_read(tmp_path: Path) -> None:
    found = tmp_path / "beats"
    found.write_bytes(b"".join(number.to_bytes(8, "little") for number in (10, 1, 1, 20, 2, 1, 30, 3, 1)))
    assert read_beats(found, 20, 30) == [Beat(20, 2, 1)]
