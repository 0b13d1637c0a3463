"""Nothing acknowledged is lost, and nothing is stored twice, whoever is killed."""

import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from switchgear.kernel.record import CallRecord
from switchgear.traces.journal_reader import Batch, JournalReader
from switchgear.traces.offsets import FileOffsets, Position
from switchgear.traces.segment import SegmentReader, segments
from tests.traces.samples import drained, numbers, reader, record, writer

ROOT = Path(__file__).parents[2]


def killed_after(directory: Path, first: int, lines: int, segment_bytes: int = 50_000) -> list[int]:
    """Run a writer, kill it after so many acknowledgements; all that it acknowledged."""
    command = [sys.executable, "-m", "tests.traces.killed_writer", str(directory), str(first), str(segment_bytes)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
    return [int(line) for line in said if line.endswith(b"\n")]


def test_every_record_acknowledged_before_a_kill_is_read_back_once(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    acknowledged: list[int] = []
    for run in range(4):
        acknowledged += killed_after(directory, (run + 1) * 1_000_000, 400 + run * 37)
    times = Counter(numbers(drained(reader(directory))))
    assert not [number for number in acknowledged if times[number] != 1]
    # At most the one record whose acknowledgement was not said any more comes on top for each kill.
    assert len(times) <= len(acknowledged) + 4
    assert max(times.values()) == 1
    assert drained(reader(directory)) == []


async def test_the_zeros_that_a_killed_writer_leaves_are_no_damage_and_the_next_one_cuts_them_off(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "journal"
    before = reader(directory)
    acknowledged = killed_after(directory, 1, 30, 10_000_000)
    (killed,) = segments(directory)
    scan = SegmentReader().scan(killed, 0, killed.stat().st_size)
    assert scan.state == "whole"
    assert killed.stat().st_size > scan.end
    found = numbers(drained(before))
    assert found[: len(acknowledged)] == acknowledged
    assert before.damages == []
    journal = writer(directory)
    await journal.flushed()
    await journal.flushed()
    assert killed.stat().st_size == scan.end
    journal.append(record(10_000))
    assert numbers(drained(before)) == [10_000]
    assert before.damages == []
    journal.close()
    from_start = JournalReader(directory, FileOffsets(tmp_path / "other.offsets"))
    assert sorted(numbers(drained(from_start))) == [*found, 10_000]


class SqliteStore:
    """Keeps records and the reader's position in one transaction; an Offsets too."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        # A dead process is what these tests are about, not a dead machine: no need to wait for the disk.
        self._database.execute("pragma synchronous = off")
        with self._database:
            self._database.execute("create table if not exists calls (id text primary key)")
            self._database.execute("create table if not exists position (value blob)")

    def load(self) -> Position:
        row = self._database.execute("select value from position").fetchone()
        return json.decode(row[0], type=Position) if row else {}

    def commit(self, position: Position) -> None:
        self._database.execute("delete from position")
        self._database.execute("insert into position values (?)", (json.encode(position),))

    def take(self, batch: Batch, *, crash: bool) -> None:
        """Store a batch; a crash comes after the rows and before the end of the transaction."""
        with self._database:
            self._database.executemany("insert into calls values (?)", [(taken.id,) for taken in batch.records])
            self.commit(batch.position)
            if crash:
                raise ConnectionAbortedError

    def ids(self) -> list[str]:
        return [row[0] for row in self._database.execute("select id from calls order by id")]

    def close(self) -> None:
        self._database.close()


@settings(deadline=None, max_examples=40)  # disks are slow when others use them
@given(steps=st.lists(st.tuples(st.integers(min_value=0, max_value=5), st.booleans()), max_size=12))
def test_a_store_that_commits_rows_and_position_together_has_every_record_exactly_once(
    steps: list[tuple[int, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "journal"
        journal = writer(directory, segment_bytes=2000)
        appended: list[CallRecord] = []
        found: list[str] = []
        for count, crash in [*steps, (0, False)]:
            for _ in range(count):
                appended.append(record(len(appended)))
                journal.append(appended[-1])
            # Each step is a reader process: it starts from the store, and may die within its transaction.
            store = SqliteStore(Path(folder) / "store.db")
            batch = JournalReader(directory, store).read_batch()
            if batch is not None and crash:
                with pytest.raises(ConnectionAbortedError):
                    store.take(batch, crash=True)
            elif batch is not None:
                # A row stored twice would break the primary key here.
                store.take(batch, crash=False)
            found = store.ids()
            store.close()
        journal.close()
        assert found == [kept.id for kept in appended]


def test_a_reader_killed_between_store_and_commit_sees_records_again_under_the_same_ids(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = writer(directory)
    stored: dict[str, CallRecord] = {}
    seen: list[int] = []
    for number in range(3):
        journal.append(record(number))
        batch = reader(directory).read_batch()
        assert batch is not None
        seen += numbers(batch.records)
        stored |= {taken.id: taken for taken in batch.records}
    journal.close()
    assert seen == [0, 0, 1, 0, 1, 2]
    assert numbers(list(stored.values())) == [0, 1, 2]


def test_offsets_survive_and_a_damaged_offsets_file_says_what_to_do(tmp_path: Path) -> None:
    offsets = FileOffsets(tmp_path / "store.offsets")
    assert offsets.load() == {}
    offsets.commit({"a.seg": 12, "b.seg": 1 << 62})
    assert FileOffsets(tmp_path / "store.offsets").load() == {"a.seg": 12, "b.seg": 1 << 62}
    (tmp_path / "store.offsets").write_bytes(b"{")
    with pytest.raises(ValueError, match="remove it to read from the start"):
        offsets.load()
