"""What is appended is read back, once and in order, whatever the end of a segment looks like."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.traces.journal_reader import Damage
from switchgear.traces.segment import HEADER, LENGTH_BYTES, create_segment, segment_name, segments
from tests.traces.samples import attempt, drained, entry_of, numbers, read_numbers, reader, record, write, writer


def entries(*numbers: int) -> list[bytes]:
    return [entry_of(record(number)) for number in numbers]


def place(directory: Path, data: bytes, opened: int = 1) -> Path:
    """A segment of these bytes whose writer is gone."""
    directory.mkdir(exist_ok=True)
    path = directory / segment_name("g9", opened, 0)
    path.write_bytes(data)
    return path


@contextmanager
def being_written(directory: Path, data: bytes) -> Generator[int]:
    """A segment of a header and these bytes whose writer lives; gives its descriptor."""
    segment = create_segment(directory, segment_name("g9", 1, 0))
    try:
        os.pwrite(segment, data, len(HEADER))
        yield segment
    finally:
        os.close(segment)


def test_a_record_is_read_back_as_it_was_appended(tmp_path: Path) -> None:
    whole = record(
        7, stream=True, outcome="failed", error="upstream_timeout: too late", attempts=[attempt(), attempt(status=500)]
    )
    journal = writer(tmp_path / "journal")
    journal.append(whole)
    assert drained(reader(tmp_path / "journal")) == [whole]
    journal.close()


def test_a_reader_follows_a_growing_segment_and_resumes_where_it_committed(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory)
    first = reader(directory)
    assert first.read_batch() is None
    journal.append(record(1))
    journal.append(record(2))
    assert numbers(drained(first)) == [1, 2]
    assert first.read_batch() is None
    journal.append(record(3))
    assert numbers(drained(reader(directory))) == [3]
    journal.close()


def test_a_reader_that_found_nothing_sees_without_reading_that_something_came(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory)
    source = reader(directory)
    assert not source.is_quiet()
    assert source.read_batch() is None
    assert source.is_quiet()
    journal.append(record(1))
    assert not source.is_quiet()
    assert numbers(drained(source)) == [1]
    assert source.is_quiet()
    with being_written(directory, entry_of(record(2))):
        assert not source.is_quiet()
        assert numbers(drained(source)) == [2]
    journal.close()


def test_a_reader_takes_quiet_for_granted_only_a_few_times(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write(directory, 1)
    source = reader(directory)
    drained(source)
    assert sum(source.is_quiet() for _ in range(100)) == 4
    assert source.read_batch() is None
    assert source.is_quiet()


def test_what_was_read_but_not_committed_is_read_again(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write(directory, 1, 2)
    batch = reader(directory).read_batch()
    assert batch is not None
    assert numbers(batch.records) == [1, 2]
    assert read_numbers(directory) == [1, 2]
    assert read_numbers(directory) == []


def test_segments_of_many_writers_are_read_in_the_order_in_which_they_were_opened(tmp_path: Path) -> None:
    clock = FrozenClock()
    for first in (1, 3, 5):
        write(tmp_path / "journal", first, first + 1, clock=clock)
        clock.advance(1)
    assert len(segments(tmp_path / "journal")) == 3
    assert read_numbers(tmp_path / "journal") == [1, 2, 3, 4, 5, 6]


def test_a_writer_never_appends_to_a_segment_of_an_earlier_run(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write(directory, 1)
    (old,) = segments(directory)
    before = old.read_bytes()
    write(directory, 2, clock=FrozenClock(wall_ns=1_700_000_001_000_000_000))
    assert old.read_bytes() == before
    assert len(segments(directory)) == 2


def test_a_segment_never_takes_the_place_of_another(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write(directory, 1)
    with pytest.raises(FileExistsError):
        write(directory, 2)
    assert read_numbers(directory) == [1]


def test_a_large_journal_comes_in_batches_that_miss_nothing(tmp_path: Path) -> None:
    journal = writer(tmp_path / "journal", segment_bytes=3_000_000)
    for number in range(400):
        journal.append(record(number, error="x" * (10_000 + number)))
    journal.append(record(400, error="x" * 3_000_000))
    journal.append(record(401))
    source = reader(tmp_path / "journal")
    batches = list(iter(source.read_batch, None))
    journal.close()
    assert len(batches) > 4
    assert [number for batch in batches for number in numbers(batch.records)] == list(range(402))


def test_a_segment_cut_at_any_byte_gives_its_whole_records_and_one_torn_end(tmp_path: Path) -> None:
    pieces = [HEADER, *entries(1, 2, 3)]
    data = b"".join(pieces)
    boundaries = [sum(map(len, pieces[:count])) for count in range(len(pieces) + 1)]
    for cut in range(len(data) + 1):
        place(tmp_path / "journal", data[:cut])
        source = reader(tmp_path / "journal")
        batch = source.read_batch()
        whole = sum(boundary <= cut for boundary in boundaries[2:])
        assert numbers(batch.records if batch else []) == list(range(1, whole + 1)), cut
        torn = [] if cut in boundaries else [boundaries[whole + 1] if cut > len(HEADER) else 0]
        assert [(damage.offset, damage.kind) for damage in source.damages] == [(offset, "torn") for offset in torn], cut


@pytest.mark.parametrize("zeros", [1, 7, 8, 5000, 3_000_000])
def test_zeros_at_the_end_as_a_killed_writer_leaves_them_are_no_damage(tmp_path: Path, zeros: int) -> None:
    place(tmp_path / "journal", HEADER + b"".join(entries(1)) + bytes(zeros))
    source = reader(tmp_path / "journal")
    assert numbers(drained(source)) == [1]
    assert source.damages == []
    assert source.read_batch() is None
    assert reader(tmp_path / "journal").read_batch() is None


def test_what_stands_behind_a_length_of_zero_is_a_torn_end(tmp_path: Path) -> None:
    data = HEADER + b"".join(entries(1))
    (unfinished,) = entries(2)
    path = place(tmp_path / "journal", data + bytes(LENGTH_BYTES) + unfinished[LENGTH_BYTES:] + bytes(5000))
    source = reader(tmp_path / "journal")
    assert numbers(drained(source)) == [1]
    assert source.damages == [Damage(segment=path.name, offset=len(data), kind="torn")]


@given(data=st.data())
@settings(deadline=None, max_examples=30)  # disks are slow when others use them
def test_an_entry_whose_bytes_become_visible_in_any_order_is_read_once_it_is_whole(data: st.DataObject) -> None:
    (entry,) = entries(1)
    shown = [at for at in range(len(entry)) if entry[at]]
    order = [shown[0], shown[-1], *data.draw(st.permutations(shown[1:-1]))]
    with TemporaryDirectory() as folder, being_written(Path(folder), bytes(len(entry) + 100)) as segment:
        source = reader(Path(folder))
        for at in order[:-1]:
            os.pwrite(segment, entry[at : at + 1], len(HEADER) + at)
            assert source.read_batch() is None
        os.pwrite(segment, entry[order[-1] : order[-1] + 1], len(HEADER) + order[-1])
        assert numbers(drained(source)) == [1]
        assert source.damages == []


def test_a_damaged_byte_anywhere_costs_the_rest_of_its_segment_and_nothing_else(tmp_path: Path) -> None:
    first, second, third = entries(1, 2, 3)
    data = HEADER + first + second + third
    begin = len(HEADER) + len(first)
    place(tmp_path / "journal", HEADER + b"".join(entries(4)), opened=2)
    for at in range(begin, begin + len(second)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        path = place(tmp_path / "journal", bytes(damaged))
        source = reader(tmp_path / "journal")
        batch = source.read_batch()
        assert batch is not None
        assert numbers(batch.records) == [1, 4], at
        (damage,) = source.damages
        assert (damage.segment, damage.offset) == (path.name, begin)
        # A damaged length may point behind the end, and then it looks like an entry cut off.
        assert damage.kind == "corrupt" or at < begin + 4
        assert sum(source.counts().values()) == 3


def test_a_damage_once_committed_is_not_told_again(tmp_path: Path) -> None:
    place(tmp_path / "journal", b"not a journal at all")
    source = reader(tmp_path / "journal")
    assert drained(source) == []
    assert [damage.kind for damage in source.damages] == ["corrupt"]
    again = reader(tmp_path / "journal")
    assert again.read_batch() is None
    assert again.damages == []


def test_damage_in_a_segment_in_use_is_told_when_its_writer_has_gone(tmp_path: Path) -> None:
    source = reader(tmp_path)
    with being_written(tmp_path, b"".join(entries(1)) + b"\x05\x00\x00\x00" + b"garbage of some length"):
        assert numbers(drained(source)) == [1]
        assert source.read_batch() is None
        assert source.damages == []
    assert drained(source) == []
    assert [damage.kind for damage in source.damages] == ["corrupt"]


@settings(deadline=None)  # disks are slow when others use them
@given(data=st.binary(max_size=200), has_header=st.booleans())
def test_no_bytes_make_the_reader_raise(data: bytes, *, has_header: bool) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "journal"
        place(directory, (HEADER if has_header else b"") + data)
        assert read_numbers(directory) == []


@settings(deadline=None)  # disks are slow when others use them
@given(
    text=st.text(st.characters(codec=None, categories=("L", "Cs", "Cc")), max_size=20),
    tokens=st.integers(min_value=-(2**70), max_value=2**70),
)
def test_nothing_that_outsiders_say_keeps_a_record_out_of_the_journal(text: str, tokens: int) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "journal"
        journal = writer(directory)
        journal.append(record(1, model=text, attempts=[attempt(usage=Usage(input=tokens), error=text)]))
        journal.close()
        (found,) = drained(reader(directory))
        assert found.model == text.encode("utf-8", "replace").decode()
        usage = found.attempts[0].usage
        assert usage is not None
        assert abs(usage.input) == abs(tokens) or abs(usage.input) >= 2**63 - 1


def test_a_record_too_large_for_the_journal_is_counted_as_lost(tmp_path: Path) -> None:
    journal = writer(tmp_path / "journal")
    journal.append(record(1, error="x" * (17 * 1024 * 1024)))
    journal.append(record(2))
    journal.close()
    assert journal.lost_records == 1
    assert journal.healthy
    assert read_numbers(tmp_path / "journal") == [2]
