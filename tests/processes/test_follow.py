"""The control process' eye on the journal."""

import asyncio
from pathlib import Path

from switchgear.kernel.clock import FrozenClock
from switchgear.processes.follow import OFFSETS_FILE, Follower
from switchgear.traces.journal_reader import JournalReader
from switchgear.traces.offsets import FileOffsets
from tests.traces.samples import record, write, writer


def opened(directory: Path) -> JournalReader:
    """A reader as the follower opens it, from the journal's beginning."""
    return JournalReader(directory, FileOffsets(directory / OFFSETS_FILE))


async def test_a_small_batch_is_counted_and_has_no_successor_at_once(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    follower = Follower(tmp_path, FrozenClock())

    assert not await follower.take(opened(tmp_path))

    assert [int(call.id, 16) for call in follower.newest(10)] == [3, 2, 1]


async def test_a_full_batch_says_that_the_next_one_is_there(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    for number in range(40):
        journal.append(record(number, model="m" * 60_000))
    journal.close()
    follower, reader = Follower(tmp_path, FrozenClock()), opened(tmp_path)

    assert await follower.take(reader)
    while await follower.take(reader):
        pass

    assert len(follower.newest(100)) == 40


async def test_the_position_is_kept_once_a_second_and_not_with_every_batch(tmp_path: Path) -> None:
    clock = FrozenClock()
    clock.advance(10)
    follower, reader, kept = Follower(tmp_path, clock), opened(tmp_path), FileOffsets(tmp_path / OFFSETS_FILE)
    journal = writer(tmp_path, clock)
    positions: list[dict[str, int]] = []
    for number, seconds in enumerate((0.0, 0.4, 0.4, 0.4)):
        clock.advance(seconds)
        journal.append(record(number))
        await follower.take(reader)
        positions.append(dict(kept.load()))
    journal.close()

    assert positions[0]
    assert positions[0] == positions[1] == positions[2]
    assert positions[3] != positions[2]


async def test_a_follower_that_is_stopped_keeps_its_position(tmp_path: Path) -> None:
    write(tmp_path, 1)
    FileOffsets(tmp_path / OFFSETS_FILE).commit({"earlier": 1})
    follower = Follower(tmp_path, FrozenClock())
    following = asyncio.create_task(follower.run())
    while not follower.newest(1):
        await asyncio.sleep(0)

    following.cancel()
    await asyncio.wait([following])

    assert opened(tmp_path).read_batch() is None
