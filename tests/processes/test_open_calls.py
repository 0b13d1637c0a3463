"""What a dead gateway left behind comes into the journal once, and only what it had not recorded itself."""

from pathlib import Path

from msgspec.msgpack import decode, encode

from switchgear.kernel.call import Call
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.record import CallRecord
from switchgear.processes.open_calls import FOLDER, OpenCalls, bury, left_behind
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.stage import Record
from tests.traces.samples import ListJournal, attempt, call, read_numbers, record


def left(directory: Path, *records: CallRecord) -> Path:
    """The file of a gateway, g0, that is dead."""
    path = directory / FOLDER / "g0.calls"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(list(records)))
    return path


def recorded(directory: Path, *numbers: int) -> None:
    journal = JournalWriter(JournalSettings(directory=directory), "g0", FrozenClock())
    for number in numbers:
        journal.append(record(number))
    journal.close()


def test_what_the_gateway_had_not_recorded_is_put_into_the_journal(tmp_path: Path) -> None:
    recorded(tmp_path, 1, 2)
    path = left(tmp_path, record(2), record(3))
    assert list(left_behind(tmp_path)) == [path]
    assert bury(tmp_path, path, FrozenClock()) == 1
    assert sorted(read_numbers(tmp_path)) == [1, 2, 3]
    assert list(left_behind(tmp_path)) == []


def test_a_file_that_cannot_be_read_is_taken_away(tmp_path: Path) -> None:
    path = left(tmp_path)
    path.write_bytes(b"\xc1broken")
    assert bury(tmp_path, path, FrozenClock()) == 0
    assert not path.exists()


def opened(directory: Path, clock: FrozenClock, *calls: Call) -> OpenCalls:
    stage = Record(ListJournal(), clock, "g0")
    stage.open.update({each.id: each for each in calls})
    return OpenCalls(stage, directory, "g0", clock)


def standing(directory: Path) -> Path:
    """The one file of a living gateway: its names take turns."""
    [path] = (directory / FOLDER).glob("*.calls")
    return path


async def test_the_file_of_a_living_gateway_is_left_alone_and_holds_what_is_open(tmp_path: Path) -> None:
    clock = FrozenClock()
    waiting = call(clock)
    waiting.attempts.append(attempt(usage=None, duration_ns=0, status=0))
    book = opened(tmp_path, clock, waiting)
    await book.write()
    assert not (tmp_path / FOLDER).exists(), "it is young"
    clock.advance(1)
    await book.write()
    assert list(left_behind(tmp_path)) == []
    assert bury(tmp_path, standing(tmp_path), clock) == 1
    assert waiting.attempts[0].cost == "", "the call itself is not touched"


async def test_a_call_is_noted_once_and_again_when_it_makes_another_attempt(tmp_path: Path) -> None:
    clock = FrozenClock()
    waiting = call(clock)
    waiting.attempts.append(attempt(usage=None))
    book = opened(tmp_path, clock, waiting)
    clock.advance(1)
    await book.write()
    first = standing(tmp_path)
    await book.write()
    assert standing(tmp_path) == first
    waiting.attempts.append(attempt(usage=None, why="retry"))
    await book.write()
    again = standing(tmp_path)
    assert [len(note.attempts) for note in decode(again.read_bytes(), type=list[CallRecord])] == [2]
    book._record.open.clear()
    await book.write()
    assert decode(standing(tmp_path).read_bytes()) == []
