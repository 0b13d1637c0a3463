"""Records, calls and replies of a plain kind, for the tests of traces."""

from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

import msgspec

from switchgear.kernel.call import Call, Caller, Head, Snapshot
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import Clock, FrozenClock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.kernel.reply import Frame, Reply
from switchgear.traces.journal import JournalSettings, JournalWriter, PayloadWriter
from switchgear.traces.journal_reader import JournalReader
from switchgear.traces.offsets import FileOffsets
from switchgear.traces.segment import PREFIX
from switchgear.wire.openai_chat import OpenAIChat


def record(number: int = 0, **changes: object) -> CallRecord:
    """A finished call; its id tells ``number``."""
    plain = CallRecord(
        id=f"{number:032x}",
        started_ns=1_700_000_000_000_000_000 + number,
        door="openai",
        operation="chat",
        model="small",
        key="team-a",
        status=200,
        duration_ns=250_000_000,
        first_byte_ns=100_000_000,
        request_bytes=1200,
        config="c1",
        attempts=[attempt()],
        gateway="g0",
    )
    return msgspec.structs.replace(plain, **changes)


def attempt(**changes: object) -> Attempt:
    """One try that went well."""
    plain = Attempt(
        deployment="openai/gpt-4o-mini",
        provider="openai",
        model="gpt-4o-mini",
        started_ns=1_700_000_000_000_000_000,
        status=200,
        first_byte_ns=99_000_000,
        duration_ns=249_000_000,
        finish="stop",
        usage=Usage(input=1000, output=50),
        upstream_id="chatcmpl-1",
    )
    return msgspec.structs.replace(plain, **changes)


def entry_of(said: CallRecord) -> bytes:
    """What a segment has of a record."""
    payload = PayloadWriter().payload(said)
    return PREFIX.pack(len(payload), crc32(payload)) + payload


def writer(directory: Path, clock: Clock | None = None, **changes: object) -> JournalWriter:
    """A journal writer with the settings in ``changes``."""
    settings = msgspec.structs.replace(JournalSettings(directory=directory), **changes)
    return JournalWriter(settings, "g0", clock or FrozenClock())


def write(directory: Path, *numbers: int, clock: Clock | None = None) -> None:
    """A segment with these records, finished."""
    journal = writer(directory, clock)
    for number in numbers:
        journal.append(record(number))
    journal.close()


def reader(directory: Path) -> JournalReader:
    """A reader whose position stands in a file beside the journal's folder."""
    return JournalReader(directory, FileOffsets(directory.with_suffix(".position")))


def drained(source: JournalReader) -> list[CallRecord]:
    """All that there is to read, committed."""
    found: list[CallRecord] = []
    while batch := source.read_batch():
        found += batch.records
        source.commit(batch.position)
    return found


def numbers(records: list[CallRecord]) -> list[int]:
    """Which records these are."""
    return [int(found.id, 16) for found in records]


def read_numbers(directory: Path) -> list[int]:
    """Which records a new reader finds."""
    return numbers(drained(reader(directory)))


def call(clock: Clock, *, stream: bool = False, caller: Caller | None = None) -> Call:
    """A chat call that has just come."""
    return Call(
        id="0f" * 16,
        door="openai",
        operation="chat",
        dialect=OpenAIChat(),
        body=b'{"model": "small"}',
        head=Head(model="small", stream=stream, user="someone"),
        headers=dict[bytes, bytes](),
        snapshot=Snapshot("c7", dict[type, object]()),
        started_wall_ns=clock.wall_ns(),
        started_monotonic_ns=clock.monotonic_ns(),
        loopback=True,
        caller=caller,
        attempts=[],
    )


class ScriptedFrames:
    """A stream of given frames; settles its reply before the last one, or breaks with ``error`` after them."""

    def __init__(self, frames: list[bytes], error: SwitchgearError | None = None) -> None:
        self._frames = frames
        self._error = error
        self._reply: Reply | None = None
        self.closed = False

    def reply(self, headers: Mapping[bytes, bytes] | None = None) -> Reply:
        """The reply whose body this is."""
        self._reply = Reply(200, list((headers or {}).items()), frames=self)
        return self._reply

    def __aiter__(self) -> "ScriptedFrames":
        return self

    async def __anext__(self) -> Frame:
        assert self._reply is not None
        if not self._frames:
            self._reply.settle(self._error)
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        raw = self._frames.pop(0)
        if not self._frames and self._error is None:
            self._reply.settle()
        return Frame(raw, lambda _: [])

    def close(self) -> None:
        self.closed = True


class ListJournal:
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.healthy = True
        self.records: list[CallRecord] = []

    def append(self, record: CallRecord) -> None:
        self.records.append(record)
