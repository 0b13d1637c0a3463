"""The Record stage: one record for each call, whatever becomes of it, before the reply ends."""

import asyncio
from pathlib import Path

import pytest

from switchgear.kernel.call import Call, Caller
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import ModelNotFound, Overloaded, SwitchgearError, UpstreamTruncated, UpstreamUnreachable
from switchgear.kernel.record import CallRecord
from switchgear.kernel.reply import Reply
from switchgear.traces.meter import Meter
from switchgear.traces.stage import Record
from tests.traces.samples import ListJournal, ScriptedFrames, attempt, call, drained, reader, writer


class Scene:
    """A Record stage around a handler that takes 250 ms."""

    def __init__(self, reply: Reply | None = None, error: BaseException | None = None) -> None:
        self.clock = FrozenClock()
        self.journal = ListJournal()
        self.meter = Meter()
        self.stage = Record(self.journal, self.clock, "g0", self.meter)
        self.handled = 0
        self._reply = reply
        self._error = error

    async def handle(self, call: Call) -> Reply:
        self.handled += 1
        self.clock.advance(0.25)
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        return self._reply

    async def run(self, *, stream: bool = False, caller: Caller | None = None) -> Reply:
        return await self.stage(call(self.clock, stream=stream, caller=caller), self.handle)

    @property
    def record(self) -> CallRecord:
        (only,) = self.journal.records
        return only


async def test_a_whole_reply_is_recorded_before_it_is_given_back() -> None:
    scene = Scene(Reply(200, [], b"{}"))
    reply = await scene.run(caller=Caller(key="team-a"))
    assert scene.record == CallRecord(
        id="0f" * 16,
        started_ns=1_700_000_000_000_000_000,
        door="openai",
        operation="chat",
        model="small",
        key="team-a",
        user="someone",
        status=200,
        duration_ns=250_000_000,
        first_byte_ns=250_000_000,
        request_bytes=18,
        response_bytes=2,
        config="c7",
        gateway="g0",
    )
    reply.close()
    assert len(scene.journal.records) == 1


async def test_a_stream_is_recorded_when_its_last_frame_is_made_and_not_sooner() -> None:
    scene = Scene(ScriptedFrames([b"1", b"2", b"3"]).reply())
    reply = await scene.run(stream=True)
    assert reply.frames is not None
    assert (await anext(reply.frames)).raw == b"1"
    scene.clock.advance(1)
    assert (await anext(reply.frames)).raw == b"2"
    assert scene.journal.records == []
    assert (await anext(reply.frames)).raw == b"3"
    assert scene.record.outcome == "ok"
    assert scene.record.stream
    assert scene.record.first_byte_ns == 250_000_000
    assert scene.record.duration_ns == 1_250_000_000
    reply.close()
    assert len(scene.journal.records) == 1


async def test_a_stream_that_breaks_off_is_recorded_as_failed_with_the_cause() -> None:
    scene = Scene(ScriptedFrames([b"1"], UpstreamTruncated("the upstream went away")).reply())
    reply = await scene.run(stream=True)
    assert reply.frames is not None
    await anext(reply.frames)
    with pytest.raises(UpstreamTruncated):
        await anext(reply.frames)
    assert scene.record.outcome == "failed"
    assert scene.record.error == "upstream_truncated: the upstream went away"
    assert scene.record.status == 200


async def test_a_client_that_leaves_in_mid_stream_is_recorded_as_cancelled_and_what_is_below_closed() -> None:
    frames = ScriptedFrames([b"1", b"2"])
    scene = Scene(frames.reply())
    reply = await scene.run(stream=True)
    assert reply.frames is not None
    await anext(reply.frames)
    reply.close()
    assert scene.record.outcome == "cancelled"
    assert frames.closed


async def test_a_reply_whose_outcome_is_known_already_is_recorded_at_once() -> None:
    ready = ScriptedFrames([b"1"]).reply()
    ready.settle()
    scene = Scene(ready)
    await scene.run(stream=True)
    assert scene.record.outcome == "ok"


@pytest.mark.parametrize(
    ("error", "outcome", "status", "text"),
    [
        (ModelNotFound("no such model"), "refused", 404, "model_not_found: no such model"),
        (UpstreamUnreachable("nobody there"), "failed", 502, "upstream_unreachable: nobody there"),
        (asyncio.CancelledError(), "cancelled", 499, ""),
        (ZeroDivisionError("secret"), "failed", 500, "internal_error: ZeroDivisionError"),
    ],
)
async def test_what_is_raised_is_recorded_and_goes_on_up(
    error: BaseException, outcome: str, status: int, text: str
) -> None:
    scene = Scene(error=error)
    with pytest.raises(type(error)):
        await scene.run()
    record = scene.record
    assert (record.outcome, record.status, record.error) == (outcome, status, text)


async def test_attempts_made_before_a_failure_are_in_the_record() -> None:
    scene = Scene()
    tried = attempt(outcome="failed", status=500)

    async def fail(call: Call) -> Reply:
        call.attempts.append(tried)
        raise UpstreamUnreachable("nobody there")

    with pytest.raises(SwitchgearError):
        await scene.stage(call(scene.clock), fail)
    assert scene.record.attempts == [tried]


async def test_while_the_journal_cannot_be_written_calls_are_refused_before_anything_is_sent() -> None:
    scene = Scene(Reply(200, [], b"{}"))
    scene.journal.healthy = False
    with pytest.raises(Overloaded) as refused:
        await scene.run()
    assert refused.value.status == 503
    assert refused.value.retry_after_seconds == 1
    assert scene.handled == 0
    assert scene.record.outcome == "failed"
    scene.journal.healthy = True
    assert (await scene.run()).status == 200


async def test_words_from_outside_are_kept_to_a_length() -> None:
    scene = Scene(error=ModelNotFound("x" * 100_000))
    wordy = call(scene.clock)
    wordy.head.model = "m" * 100_000
    wordy.head.user = "u" * 100_000
    with pytest.raises(ModelNotFound):
        await scene.stage(wordy, scene.handle)
    assert len(scene.record.model) == len(scene.record.user) == 256
    assert len(scene.record.error) == 2000


async def test_a_gateway_on_its_own_counts_what_it_records() -> None:
    scene = Scene(Reply(200, [], b"{}"))
    await scene.run()
    assert 'switchgear_calls_total{door="openai"' in scene.meter.render()


class GatedJournal(ListJournal):
    """A strict journal whose disk is as fast as the test allows."""

    strict = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Event()
        self.on_disk = asyncio.Event()

    async def flushed(self) -> None:
        self.waiting.set()
        await self.on_disk.wait()


async def test_with_a_strict_journal_a_whole_reply_waits_for_the_disk() -> None:
    scene = Scene(Reply(200, [], b"{}"))
    journal = GatedJournal()
    stage = Record(journal, scene.clock, "g0")
    answering = asyncio.ensure_future(stage(call(scene.clock), scene.handle))
    await journal.waiting.wait()
    assert len(journal.records) == 1
    assert not answering.done()
    journal.on_disk.set()
    assert (await answering).status == 200


async def test_with_a_strict_journal_a_refusal_waits_for_the_disk() -> None:
    scene = Scene(error=ModelNotFound("no such model"))
    journal = GatedJournal()
    stage = Record(journal, scene.clock, "g0")
    answering = asyncio.ensure_future(stage(call(scene.clock), scene.handle))
    await journal.waiting.wait()
    assert not answering.done()
    journal.on_disk.set()
    with pytest.raises(ModelNotFound):
        await answering


async def test_with_a_strict_journal_only_the_last_frame_waits_for_the_disk() -> None:
    frames = ScriptedFrames([b"1", b"2"])
    scene = Scene(frames.reply())
    journal = GatedJournal()
    reply = await Record(journal, scene.clock, "g0")(call(scene.clock, stream=True), scene.handle)
    assert reply.frames is not None
    assert (await anext(reply.frames)).raw == b"1"
    last = asyncio.ensure_future(anext(reply.frames))
    await journal.waiting.wait()
    assert len(journal.records) == 1
    assert not last.done()
    journal.on_disk.set()
    assert (await last).raw == b"2"
    with pytest.raises(StopAsyncIteration):
        await anext(reply.frames)
    reply.close()
    assert frames.closed


async def test_with_a_strict_journal_a_broken_stream_waits_for_the_disk_and_still_says_why() -> None:
    scene = Scene(ScriptedFrames([], UpstreamTruncated("gone")).reply())
    journal = GatedJournal()
    journal.on_disk.set()
    reply = await Record(journal, scene.clock, "g0")(call(scene.clock, stream=True), scene.handle)
    assert reply.frames is not None
    with pytest.raises(UpstreamTruncated):
        async for _ in reply.frames:
            pass
    assert journal.waiting.is_set()


async def test_a_strict_journal_on_a_real_disk_serves_many_calls_at_once(tmp_path: Path) -> None:
    scene = Scene(Reply(200, [], b"{}"))
    journal = writer(tmp_path / "journal", scene.clock, strict=True)
    stage = Record(journal, scene.clock, "g0")
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(stage(call(scene.clock), scene.handle))
    assert len(drained(reader(tmp_path / "journal"))) == 50
    journal.close()
    await journal.flushed()
    assert journal.counts()["failed_flushes"] == 0
