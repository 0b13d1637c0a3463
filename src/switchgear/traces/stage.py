"""The Record stage, outermost: whatever becomes of a call, one record says it, before the reply ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from switchgear.kernel.call import Call, Caller
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Overloaded, SwitchgearError
from switchgear.kernel.pipeline import Next, Stage
from switchgear.kernel.record import CallRecord, CapturedRecord, Outcome
from switchgear.kernel.reply import Frame, Frames, Reply
from switchgear.traces.captured import Keeper, watch

_CLIENT_GONE: Final = 499
"""The status recorded for a client that left before it was answered, as nginx writes it."""
_STREAM: Final = 200
"""The status of a stream whose head went out before its answer was there, whatever became of it."""
_NOBODY: Final = Caller(key="")
_MAX_NAME: Final = 256
_MAX_ERROR: Final = 2000
"""What clients and upstreams wrote is kept to a length, so that a record stays a record."""


class Journal(Protocol):
    """Where records go."""

    @property
    def healthy(self) -> bool:
        """Whether new calls may begin."""
        ...

    def append(self, record: CallRecord) -> None:
        """Write one record down."""
        ...


@runtime_checkable
class DurableJournal(Protocol):
    """A journal that can also tell when records are safe from a power cut."""

    @property
    def strict(self) -> bool:
        """Whether replies wait for that."""
        ...

    async def flushed(self) -> None:
        """Return when all that was appended before is on the disk."""
        ...


class Counter(Protocol):
    """Counts records as they are made; only for a gateway that runs without a control process."""

    def count(self, record: CallRecord) -> None: ...


class _Awaited:
    """Frames of which the last waits until the record that its making settled is on the disk."""

    __slots__ = ("_flushed", "_frames", "_reply", "_waited")

    def __init__(self, reply: Reply, frames: Frames, flushed: Callable[[], Awaitable[None]]) -> None:
        self._reply = reply
        self._frames = frames
        self._flushed = flushed
        self._waited = False

    def __aiter__(self) -> "_Awaited":
        return self

    async def __anext__(self) -> Frame:
        try:
            return await self._frames.__anext__()
        finally:
            if self._reply.settled and not self._waited:
                self._waited = True
                await self._flushed()

    def close(self) -> None:
        self._frames.close()


class Record:
    """Opens a record when the call comes and appends it when its outcome is known.

    With a strict journal the end of every reply waits until its record is on the disk.

    Raises Overloaded while the journal cannot be written and its policy is to refuse.
    """

    __slots__ = ("_append", "_clock", "_count", "_flushed", "_gateway", "_journal", "_keep", "open")

    def __init__(self, journal: Journal, clock: Clock, gateway: str, counter: Counter | None = None) -> None:
        self._journal = journal
        self._append = journal.append
        self._clock = clock
        self._gateway = gateway
        self._keep = Keeper().keep
        self._count = counter.count if counter is not None else None
        self._flushed: Callable[[], Awaitable[None]] | None = None
        self.open: dict[str, Call] = {}
        """Calls under way, by their ids."""
        if isinstance(journal, DurableJournal) and journal.strict:
            self._flushed = journal.flushed

    async def __call__(self, call: Call, next: Next) -> Reply:
        self.open[call.id] = call
        try:
            if not self._journal.healthy:
                raise Overloaded(
                    "the gateway's journal cannot be written (is the disk full?); it takes calls again once it can",
                    retry_after_seconds=1,
                )
            reply = await next(call)
        except SwitchgearError as error:
            outcome: Outcome = "refused" if error.fault == "caller" else "failed"
            self._write(call, error.status, outcome, f"{error.code}: {error.message}")
            await self._safe()
            raise
        except asyncio.CancelledError:
            self._write(call, _CLIENT_GONE, "cancelled", "")
            raise
        except Exception as error:
            self._write(call, 500, "failed", f"internal_error: {type(error).__name__}")
            raise
        if reply.frames is None or reply.settled:
            error = reply.error
            outcome = "ok" if error is None else "failed"
            text = "" if error is None else f"{error.code}: {error.message}"
            self._write(call, reply.status, outcome, text, reply=reply)
            await self._safe()
        else:
            self._write_at_end(call, reply)
            if self._flushed is not None:
                reply.frames = _Awaited(reply, reply.frames, self._flushed)
        return reply

    async def _safe(self) -> None:
        if self._flushed is not None:
            await self._flushed()

    def _write_at_end(self, call: Call, reply: Reply) -> None:
        first_byte_ns = self._clock.monotonic_ns() - call.started_monotonic_ns
        status = reply.status
        if call.snapshot.capture is not None:
            watch(call, reply)

        def ended(error: SwitchgearError | None, *, cancelled: bool) -> None:
            outcome: Outcome = "failed" if error is not None else "cancelled" if cancelled else "ok"
            text = "" if error is None else f"{error.code}: {error.message}"
            self._write(call, status, outcome, text, first_byte_ns, reply=reply)

        reply.on_end(ended)

    def _write(
        self,
        call: Call,
        status: int,
        outcome: Outcome,
        error: str,
        first_byte_ns: int = 0,
        reply: Reply | None = None,
    ) -> None:
        self.open.pop(call.id, None)
        call.recorded = True
        rules = call.snapshot.capture
        record = self.record_of(call, status, outcome, error, CallRecord if rules is None else CapturedRecord)
        record.first_byte_ns = first_byte_ns or record.duration_ns
        if reply is not None:
            record.response_bytes = len(reply.body) or reply.streamed_bytes
        if rules is not None and isinstance(record, CapturedRecord):
            self._keep(record, call, rules, reply)
        self._append(record)
        if self._count is not None:
            self._count(record)

    def record_of(
        self, call: Call, status: int, outcome: Outcome, error: str, kind: type[CallRecord] = CallRecord
    ) -> CallRecord:
        """What is to be remembered of a call, as it stands."""
        duration_ns = self._clock.monotonic_ns() - call.started_monotonic_ns
        head = call.head
        labels = call.labels()
        caller = call.caller or _NOBODY
        record = kind(
            id=call.id,
            started_ns=call.started_wall_ns,
            door=call.door,
            operation=call.operation,
            model=head.model[:_MAX_NAME],
            key=caller.key,
            organisation=caller.organisation,
            project=caller.project,
            team=caller.team,
            owner=caller.user,
            user=labels.user,
            session=labels.session,
            tags=labels.tags,
            metadata=labels.metadata,
            stream=head.stream is True,
            status=_STREAM if call.early_head_ns else status,
            outcome=outcome,
            error=error[:_MAX_ERROR],
            duration_ns=duration_ns,
            early_head_ns=call.early_head_ns,
            request_bytes=len(call.body) or call.request_bytes,
            findings=call.findings,
            config=call.snapshot.version,
            attempts=call.attempts,
            shadow_of=call.shadow_of,
            gateway=self._gateway,
        )
        if call.limited_ns:
            record.authenticated_ns, record.limited_ns = call.authenticated_ns, call.limited_ns
        if call.waits:
            record.waits = call.waits
        if call.trace is not None:
            record.trace_id, record.parent_span_id = call.trace.trace_id, call.trace.parent_span_id
        return record


if TYPE_CHECKING:
    _: type[Stage] = Record
