"""A trace store that has a log in front: a write is on the disk when it returns, and in the store soon after.

What a store does for a span (its tables, indexes, full text, sums) takes ten times as long as appending it, and whoever
sent it need not wait for that. Questions do wait: they see whatever was written before they were asked, unless so much
is on its way that the answer would be late; then what is missing is there within a second. A write that the process
did not live to do is done by the next one: a store leaves spans that it knows as they are, so twice does no harm.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import MsgspecError, Struct, msgpack

from switchgear.engines.logged_spans.log import Left, SpanLog
from switchgear.kernel.ports import Arrivals, Arrived, Holdings
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group
from switchgear.kernel.span import Span

_MOST_ON_THE_WAY: Final = 1_536
"""Spans that the log has and the store has not: whoever writes more waits, for they are to be seen within a second."""
_WORTH_WAITING: Final = 2_048
"""Questions wait for so many, and no more."""
_MOST_AT_ONCE: Final = 1_024
"""In one write of the store, unless one batch alone has more."""
_RETRY_SECONDS: Final = 1.0
_LOG: Final = logging.getLogger("switchgear.traces")


class _Store(Holdings, Arrivals, Protocol):
    async def start(self) -> None: ...

    async def aclose(self) -> None: ...


class _Batch(Struct, frozen=True, array_like=True):
    """As it lies in the log."""

    replace: bool
    spans: list[Span]


class _Going(Struct, frozen=True, eq=False):
    """On its way into the store."""

    number: int
    batch: _Batch


class LoggedSpans:
    """A TraceStore before another, which this one opens and closes."""

    def __init__(self, store: _Store, log: SpanLog) -> None:
        self.on_the_way = 0
        """Spans that the log has and the store has not."""
        self.refused = 0
        """Spans that the store would not take, though nothing was wrong with the disk: a defect."""
        self._store = store
        self._log = log
        self._encoder = msgpack.Encoder()
        self._appending = asyncio.Lock()
        self._going: deque[_Going] = deque()
        self._last = 0
        self._broken: OSError | None = None
        self._changed = asyncio.Condition()
        self._closing = asyncio.Event()
        self._moving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open both; what an earlier process left goes into the store now. Raises OSError."""
        left = await asyncio.to_thread(self._log.open)
        decoder = msgpack.Decoder(_Batch)
        try:
            await self._store.start()
        finally:
            for each in left:
                await self._send_left(each, decoder)

    async def aclose(self) -> None:
        """Write what is on its way, unless the store is broken: then the log keeps it; and close both."""
        self._closing.set()
        if self._moving is not None:
            await self._moving
        await asyncio.to_thread(self._log.close)
        await self._store.aclose()

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        """How many came: which of them are new is known later."""
        if not spans:
            return 0
        # Whoever asked may give up, but not between the log and the store.
        await asyncio.shield(self._write(_Batch(replace, list(spans))))
        return len(spans)

    async def find(self, question: Find) -> Found:
        await self._seen()
        return await self._store.find(question)

    async def aggregate(self, question: Aggregate) -> list[Group]:
        await self._seen()
        return await self._store.aggregate(question)

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        await self._seen()
        return await self._store.read(project, trace_id, span_ids)

    async def arrived(self, after: int, most: int, most_bytes: int) -> Arrived:
        await self._seen()
        return await self._store.arrived(after, most, most_bytes)

    async def projects(self) -> list[str]:
        await self._seen()
        return await self._store.projects()

    async def delete(self, doomed: Doomed) -> int:
        """After all that was written before; the log gives up what it still has of it."""
        await self._settled()
        if self._broken is not None:
            raise self._broken
        await asyncio.to_thread(self._log.forget)
        return await self._store.delete(doomed)

    async def _write(self, batch: _Batch) -> None:
        async with self._appending:
            await self._room()
            number = await asyncio.to_thread(self._append, batch)
            self._send(_Going(number, batch))

    def _append(self, batch: _Batch) -> int:
        return self._log.append(self._encoder.encode(batch))

    def _send(self, going: _Going) -> None:
        self._going.append(going)
        self._last = going.number
        self.on_the_way += len(going.batch.spans)
        if self._moving is None:
            # A task of its own: a caller that gives up stops nobody else's.
            self._moving = asyncio.get_running_loop().create_task(self._move())

    async def _send_left(self, left: Left, decoder: "msgpack.Decoder[_Batch]") -> None:
        try:
            batch = decoder.decode(left.data)
        except MsgspecError as error:
            where = await asyncio.to_thread(self._set_aside, left.data)
            _LOG.error("%d bytes of spans cannot be read, and are kept in %s: %s", len(left.data), where, error)
            batch = _Batch(replace=False, spans=[])
        self._send(_Going(left.number, batch))

    async def _room(self) -> None:
        """Until another batch may be on its way. Raises OSError while the store cannot write."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._broken or self.on_the_way < _MOST_ON_THE_WAY)
        if self._broken is not None:
            raise self._broken

    async def _seen(self) -> None:
        if self.on_the_way <= _WORTH_WAITING:
            await self._settled()

    async def _settled(self) -> None:
        """Until the store has what is on its way now, or cannot write."""
        last = self._last
        async with self._changed:
            await self._changed.wait_for(lambda: self._broken or not self._going or self._going[0].number > last)

    # ------------------------------------------------------------------------------------------------- into the store

    async def _move(self) -> None:
        """Until nothing is on its way, or there is no way and no more time."""
        try:
            while self._going and not (self._broken and self._closing.is_set()):
                await self._move_some(self._next())
        finally:
            self._moving = None

    def _next(self) -> list[_Going]:
        """The neighbours at the front that can be written as one."""
        replace = self._going[0].batch.replace
        found: list[_Going] = []
        count = 0
        for going in takewhile(lambda going: going.batch.replace == replace, self._going):
            count += len(going.batch.spans)
            if found and count > _MOST_AT_ONCE:
                break
            found.append(going)
        return found

    async def _move_some(self, group: list[_Going]) -> None:
        spans = [span for going in group for span in going.batch.spans]
        try:
            await self._store.write(spans, replace=group[0].batch.replace)
        except OSError as error:
            await self._pause(error)
            return
        except Exception:  # noqa: BLE001 (a defect in the store's code must not hold up all others)
            if not await self._one_by_one(spans, replace=group[0].batch.replace):
                return
        if self._broken is not None:
            _LOG.warning("the trace store can write again")
        try:
            await asyncio.to_thread(self._log.done, group[-1].number)
        except OSError as error:
            # Nothing is lost: what stays in the log is written again by the next process, and known by then.
            _LOG.error("a file of the log of spans cannot be removed: %s", error)
        async with self._changed:
            self._broken = None
            for _ in group:
                self._going.popleft()
            self.on_the_way -= len(spans)
            self._changed.notify_all()

    async def _one_by_one(self, spans: Sequence[Span], *, replace: bool) -> bool:
        """Write those that the store takes, and set the others aside; whether it came to the end."""
        for span in spans:
            try:
                await self._store.write([span], replace=replace)
            except OSError as failure:
                await self._pause(failure)
                return False
            except Exception as failure:  # noqa: BLE001 (as above)
                self.refused += 1
                data = self._encoder.encode(_Batch(replace, [span]))
                where = await asyncio.to_thread(self._set_aside, data)
                told = "span %s of trace %s cannot be stored, and is kept in %s: %r"
                _LOG.error(told, span.span_id, span.trace_id, where, failure)
        return True

    def _set_aside(self, data: bytes) -> str:
        try:
            return str(self._log.set_aside(data) or "no file, for there are too many")
        except OSError as error:
            return f"no file ({error})"

    async def _pause(self, error: OSError) -> None:
        if self._broken is None:
            _LOG.error("spans wait in the log, for the trace store cannot write: %s", error)
        async with self._changed:
            self._broken = error
            self._changed.notify_all()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), _RETRY_SECONDS)


if TYPE_CHECKING:
    _: type[Holdings] = LoggedSpans
    __: type[Arrivals] = LoggedSpans
