"""Segments follow each other by size and age, and old ones go, but not under a reader's hands."""

from pathlib import Path

import pytest

from switchgear.kernel.clock import FrozenClock
from switchgear.traces.journal_reader import JournalReader
from switchgear.traces.offsets import FileOffsets
from switchgear.traces.retention import Retention, WhenUnread
from switchgear.traces.segment import HEADER, LENGTH_BYTES, PREFIX, segments
from tests.traces.samples import drained, numbers, read_numbers, record, write, writer


def three_segments(directory: Path) -> list[Path]:
    """Finished segments with the records 1, 2 and 3."""
    for number in (1, 2, 3):
        write(directory, number, clock=FrozenClock(wall_ns=number * 1_000_000_000))
    return segments(directory)


def registered(directory: Path) -> JournalReader:
    return JournalReader(directory, FileOffsets(directory / "store.offsets"))


def test_a_segment_over_its_size_is_followed_by_another(tmp_path: Path) -> None:
    journal = writer(tmp_path / "journal", segment_bytes=1500)
    for number in range(10):
        journal.append(record(number))
    journal.close()
    found = segments(tmp_path / "journal")
    assert len(found) > 2
    assert all(path.stat().st_size < 2500 for path in found)
    assert read_numbers(tmp_path / "journal") == list(range(10))


def test_a_segment_over_its_age_is_followed_by_another(tmp_path: Path) -> None:
    clock = FrozenClock()
    journal = writer(tmp_path / "journal", clock, segment_seconds=60)
    journal.append(record(1))
    clock.advance(61)
    journal.append(record(2))
    journal.append(record(3))
    journal.close()
    assert len(segments(tmp_path / "journal")) == 2
    assert read_numbers(tmp_path / "journal") == [1, 2, 3]


def test_the_oldest_segments_go_when_all_together_are_too_large(tmp_path: Path) -> None:
    first, second, third = three_segments(tmp_path / "journal")
    retention = Retention(tmp_path / "journal", third.stat().st_size + 1, "keep")
    retention.enforce()
    assert segments(tmp_path / "journal") == [third]
    assert retention.deleted_segments == 2
    assert retention.deleted_unread_bytes == 0
    assert not first.exists()
    assert not second.exists()


def test_nothing_goes_while_there_is_room(tmp_path: Path) -> None:
    found = three_segments(tmp_path / "journal")
    Retention(tmp_path / "journal", sum(path.stat().st_size for path in found), "delete").enforce()
    assert segments(tmp_path / "journal") == found


def test_what_a_registered_reader_has_not_read_stays(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    FileOffsets(directory / "store.offsets").commit({found[0].name: found[0].stat().st_size})
    Retention(directory, 1, "keep").enforce()
    assert segments(directory) == found[1:]
    assert numbers(drained(registered(directory))) == [2, 3]
    Retention(directory, 1, "keep").enforce()
    assert segments(directory) == []


def test_a_reader_whose_position_cannot_be_understood_holds_everything(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    (directory / "store.offsets").write_bytes(b"not json")
    Retention(directory, 1, "keep").enforce()
    assert segments(directory) == found


def test_where_the_policy_says_so_unread_segments_go_and_are_counted(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    FileOffsets(directory / "store.offsets").commit({found[0].name: found[0].stat().st_size})
    unread = found[1].stat().st_size + found[2].stat().st_size
    retention = Retention(directory, 1, "delete")
    retention.enforce()
    assert segments(directory) == []
    assert retention.deleted_unread_bytes == unread


def test_a_damaged_segment_is_let_go_once_its_reader_has_passed_it(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    found[0].write_bytes(b"SGJ1 but not really")
    assert numbers(drained(registered(directory))) == [2, 3]
    Retention(directory, 1, "keep").enforce()
    assert segments(directory) == []


@pytest.mark.parametrize("when_unread", ["keep", "delete"])
def test_a_segment_in_use_stays_whoever_writes_it(tmp_path: Path, when_unread: WhenUnread) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory, FrozenClock(wall_ns=1))
    journal.append(record(1))
    three_segments(directory)
    Retention(directory, 1, when_unread).enforce()
    (kept,) = segments(directory)
    assert kept.name.startswith(f"{1:020d}")
    assert read_numbers(directory) == [1]
    journal.close()


def test_the_zeros_of_killed_writers_do_not_count_and_are_cut_off(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    sizes = [path.stat().st_size for path in found]
    for path in found:
        path.write_bytes(path.read_bytes() + bytes(1_000_000))
    Retention(directory, sum(sizes), "keep").enforce()
    assert [path.stat().st_size for path in segments(directory)] == sizes


def test_only_zeros_behind_entries_are_ever_cut_off(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    (path, *_) = three_segments(directory)
    whole = path.read_bytes()
    entry = whole[len(HEADER) :]
    ends_in_zeros = PREFIX.pack(20, 0) + bytes(20)
    for kept in (
        whole + ends_in_zeros,
        whole + entry[:-1],
        whole + entry[:50] + bytes(100),
        whole + bytes(LENGTH_BYTES) + entry[LENGTH_BYTES:] + bytes(100),
        HEADER[:3],
        b"not a journal" + bytes(100),
    ):
        path.write_bytes(kept)
        Retention(directory, 1_000_000, "keep").enforce()
        assert path.read_bytes() == kept
    path.write_bytes(whole + ends_in_zeros + bytes(3))
    Retention(directory, 1_000_000, "keep").enforce()
    assert path.read_bytes() == whole + ends_in_zeros


async def test_the_room_of_a_segment_in_use_is_left_to_its_writer(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory)
    await journal.flushed()
    (path,) = segments(directory)
    size = path.stat().st_size
    Retention(directory, 1, "delete").enforce()
    assert path.stat().st_size == size
    journal.append(record(1))
    assert read_numbers(directory) == [1]
    journal.close()


def test_a_segment_read_to_its_zeros_is_read(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    found[0].write_bytes(found[0].read_bytes() + bytes(1_000_000))
    source = registered(directory)
    assert numbers(drained(source)) == [1, 2, 3]
    retention = Retention(directory, 1, "delete")
    retention.enforce()
    assert segments(directory) == []
    assert retention.deleted_unread_bytes == 0


async def test_a_writer_clears_up_when_it_begins_a_new_segment(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    three_segments(directory)
    journal = writer(directory, strict=True, segment_bytes=1, keep_bytes=1)
    for number in range(20):
        journal.append(record(number))
        await journal.flushed()
    # A round of the flusher ends with the clearing up, so that one more has it behind the last append.
    await journal.flushed()
    await journal.flushed()
    assert journal.counts()["deleted_segments"] == 23
    assert len(segments(directory)) == 1
    journal.close()


def test_a_reader_takes_no_harm_from_a_segment_deleted_under_it(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    found = three_segments(directory)
    source = registered(directory)
    batch = source.read_batch()
    assert batch is not None
    found[0].unlink()
    write(directory, 4, clock=FrozenClock(wall_ns=4_000_000_000))
    following = source.read_batch()
    assert following is not None
    assert numbers(following.records) == [4]
    assert found[0].name not in following.position
