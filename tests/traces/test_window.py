"""A segment grows ahead of what is stored in it; entries run over the borders of windows, and nothing is left open."""

import asyncio
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.traces.segment import HEADER, MAX_ENTRY_BYTES, segments
from switchgear.traces.window import FIRST_WINDOW_BYTES, LARGEST_WINDOW_BYTES, WINDOW_BYTES, GrowingSegment
from tests.traces.samples import entry_of, numbers, read_numbers, reader, record, writer


def mapped(directory: Path) -> int:
    """How many stretches of the folder's files this process has mapped."""
    return Path("/proc/self/maps").read_text().count(f" {directory}/")


def opened(directory: Path) -> int:
    """How many descriptors of the folder's files this process has."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and link.readlink().is_relative_to(directory) for link in links)


@settings(deadline=None, max_examples=25)  # disks are slow when others use them
@given(
    steps=st.lists(st.tuples(st.integers(min_value=0, max_value=400_000), st.booleans()), min_size=1, max_size=15),
    segment_bytes=st.sampled_from([1_500_000, 64 * 1024 * 1024]),
)
def test_entries_of_any_size_are_read_back_whether_or_not_room_was_ready(
    steps: list[tuple[int, bool]], segment_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "journal"
        journal = writer(directory, strict=True, segment_bytes=segment_bytes)
        written = 0
        for number, (size, waits) in enumerate(steps):
            said = record(number, error="x" * size)
            written += len(entry_of(said))
            journal.append(said)
            if waits:
                asyncio.run(journal.flushed())
        before = read_numbers(directory)
        journal.close()
        assert before == list(range(len(steps)))
        assert read_numbers(directory) == []
        found = segments(directory)
        assert sum(path.stat().st_size for path in found) == written + len(HEADER) * len(found)


def test_an_entry_larger_than_any_window_finds_room(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory)
    journal.append(record(1))
    journal.append(record(2, error="x" * (MAX_ENTRY_BYTES - 1000)))
    journal.append(record(3))
    assert journal.lost_records == 0
    assert read_numbers(directory) == [1, 2, 3]
    journal.close()


async def test_two_windows_are_mapped_and_in_the_end_none(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory, strict=True, segment_bytes=4 * WINDOW_BYTES)
    for number in range(100):
        journal.append(record(number, error="x" * 100_000))
        await journal.flushed()
        assert mapped(directory) <= 2
    assert len(segments(directory)) == 3
    journal.close()
    assert mapped(directory) == 0
    assert opened(directory) == 0


async def test_room_is_there_before_it_is_needed(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory)
    await journal.flushed()
    await journal.flushed()
    (segment,) = segments(directory)
    assert segment.stat().st_size == FIRST_WINDOW_BYTES + WINDOW_BYTES
    journal.close()
    assert segment.read_bytes() == HEADER


@contextmanager
def files_limited_to(size: int) -> Generator[None]:
    """No file of this process may grow beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_segment_without_room_for_its_first_window_is_none(tmp_path: Path) -> None:
    with files_limited_to(20_000), pytest.raises(OSError, match="File too large"):
        GrowingSegment(tmp_path, "1.seg")
    assert opened(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_room_that_is_not_enough_is_given_back_and_the_window_before_goes_on(tmp_path: Path) -> None:
    segment = GrowingSegment(tmp_path, "1.seg")
    window = segment.advance(0)
    with files_limited_to(200_000):
        with pytest.raises(OSError, match="File too large"):
            segment.prepare()
        with pytest.raises(OSError, match="File too large"):
            segment.advance(300_000)
    assert (tmp_path / "1.seg").stat().st_size == window.end == FIRST_WINDOW_BYTES
    window.memory[window.end - 1] = 1
    segment.prepare()
    assert segment.advance(1).end == FIRST_WINDOW_BYTES + WINDOW_BYTES
    segment.position = FIRST_WINDOW_BYTES
    segment.finish()
    assert (tmp_path / "1.seg").read_bytes() == HEADER + bytes(FIRST_WINDOW_BYTES - len(HEADER) - 1) + b"\x01"
    assert mapped(tmp_path) == opened(tmp_path) == 0


def stored(segment: GrowingSegment, data: bytes) -> None:
    """Put bytes into a segment's next window, as a writer does that has used up the one before."""
    window = segment.advance(len(data))
    at = segment.position - window.start
    window.memory[at : at + len(data)] = data
    segment.position += len(data)


def room_ahead(segment: GrowingSegment, path: Path) -> int:
    """By how much the file grows when room is prepared, which is then taken."""
    before = path.stat().st_size
    segment.prepare()
    segment.advance(0)
    return path.stat().st_size - before


def test_the_more_was_stored_since_the_last_flush_the_larger_is_the_next_window(tmp_path: Path) -> None:
    segment = GrowingSegment(tmp_path, "1.seg")
    stored(segment, b"x" * 1000)
    assert room_ahead(segment, tmp_path / "1.seg") == WINDOW_BYTES
    stored(segment, b"x" * (WINDOW_BYTES // 2))
    assert room_ahead(segment, tmp_path / "1.seg") == 2 * WINDOW_BYTES
    stored(segment, b"x" * 8 * WINDOW_BYTES)
    assert room_ahead(segment, tmp_path / "1.seg") == LARGEST_WINDOW_BYTES
    segment.flush()
    assert room_ahead(segment, tmp_path / "1.seg") == LARGEST_WINDOW_BYTES // 2
    assert room_ahead(segment, tmp_path / "1.seg") == WINDOW_BYTES
    segment.finish()


def test_a_segment_that_follows_one_with_large_windows_begins_with_a_larger_one(tmp_path: Path) -> None:
    segment = GrowingSegment(tmp_path, "1.seg", LARGEST_WINDOW_BYTES)
    assert segment.advance(0).end == 4 * FIRST_WINDOW_BYTES
    assert room_ahead(segment, tmp_path / "1.seg") == LARGEST_WINDOW_BYTES // 2
    segment.finish()
    assert GrowingSegment(tmp_path, "2.seg").advance(0).end == FIRST_WINDOW_BYTES


def test_where_a_large_window_has_no_room_a_small_one_may(tmp_path: Path) -> None:
    segment = GrowingSegment(tmp_path, "1.seg")
    stored(segment, b"x" * 2 * WINDOW_BYTES)
    end = (tmp_path / "1.seg").stat().st_size
    with files_limited_to(end + WINDOW_BYTES + 100_000):
        assert room_ahead(segment, tmp_path / "1.seg") == WINDOW_BYTES
    segment.finish()


def test_windows_stay_until_what_is_stored_in_them_is_flushed(tmp_path: Path) -> None:
    segment = GrowingSegment(tmp_path, "1.seg")
    said = b""
    for number in range(5):
        segment.prepare()
        said += bytes([65 + number]) * (number * 100_000 + 1)
        stored(segment, said[-number * 100_000 - 1 :])
    assert mapped(tmp_path) == 5
    segment.flush()
    assert mapped(tmp_path) == 1
    segment.finish()
    assert (tmp_path / "1.seg").read_bytes() == HEADER + said


@pytest.mark.parametrize("segment_bytes", [200_000, 64 * 1024 * 1024])
def test_a_reader_beside_a_writer_at_full_speed_sees_every_record_once(tmp_path: Path, segment_bytes: int) -> None:
    directory = tmp_path / "journal"
    count = 5000
    journal = writer(directory, segment_bytes=segment_bytes)
    source = reader(directory)

    def write_all() -> None:
        for number in range(count):
            journal.append(record(number, error="x" * (number % 1700)))

    writing = Thread(target=write_all)
    writing.start()
    found: list[int] = []
    last_look = False
    while not last_look:
        last_look = not writing.is_alive()
        while batch := source.read_batch():
            found += numbers(batch.records)
    journal.close()
    assert found == list(range(count))
    assert source.damages == []
