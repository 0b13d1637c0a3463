"""One request and its answer: what has arrived, when patience ends, and who waits.

The connection feeds an exchange, the caller reads it, and the transport's ticker compares ``deadline_at`` with the
loop's clock. One deadline stands for first_byte and idle: whoever makes progress moves it, and no timer is armed for a
chunk.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from switchgear.kernel.errors import Phase, SwitchgearError, UpstreamGarbled, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.reply import Headers
from switchgear.kernel.upstream import Pushing, Timers, UpstreamReply
from switchgear.upstream.inflate import Inflater

HIGH_WATER_BYTES = 256 * 1024


class Wire(Protocol):
    """What an exchange needs of the connection under it."""

    where: str

    def break_off(self, error: SwitchgearError) -> None:
        """End the exchange with ``error`` and close the socket at once."""
        ...

    def pause(self) -> None:
        """Stop reading: the buffer is full."""
        ...

    def resume(self) -> None:
        """Read again: the buffer was taken."""
        ...

    def unsent_bytes(self) -> int:
        """How much of the request has not left yet."""
        ...


class Exchange(Struct, eq=False):
    """An UpstreamReply whose bytes arrive over a pooled connection."""

    _wire: Wire
    _timers: Timers
    _loop: asyncio.AbstractEventLoop
    deadline_at: float
    """When patience with the present phase ends, by the loop's clock."""
    total_at: float
    """When patience ends whatever happens."""
    status: int = 0
    headers: Headers = []
    error: SwitchgearError | None = None
    ended: bool = False
    phase: Phase = "first_byte"
    chunks: list[bytes] = []
    received_bytes: int = 0
    taken_bytes: int = 0
    paused: bool = False
    _waiter: asyncio.Future[None] | None = None
    _sink: Callable[[bytes], bool] | None = None
    _inflater: Inflater | None = None
    _unsent_bytes: int = 0

    # ------------------------------------------------------------------------------------------- the caller's side

    async def read(self) -> bytes:
        if self._inflater is not None:
            return await self._read_inflated(self._inflater)
        return await self._read_raw()

    async def read_all(self, limit_bytes: int) -> bytes:
        if self.ended and self.error is None and self._inflater is None and self.received_bytes <= limit_bytes:
            return self._take()
        parts: list[bytes] = []
        size = 0
        while True:
            part = await self.read()
            if not part:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            size += len(part)
            if size > limit_bytes:
                self.close()
                raise UpstreamGarbled(f"{self._wire.where} answered with a body of more than {limit_bytes} bytes")
            parts.append(part)

    def close(self) -> None:
        if not self.ended:
            self._wire.break_off(UpstreamTruncated("the answer was closed before its end"))

    async def answered(self) -> None:
        """Wait for status and headers. Cancelled: the connection is closed."""
        if not self.status and not self.ended:
            self._waiter = waiter = self._loop.create_future()
            try:
                await waiter
            except asyncio.CancelledError:
                self.close()
                raise
        if not self.status and self.error is not None:
            raise self.error

    async def _read_raw(self) -> bytes:
        chunks = self.chunks
        while not chunks:
            if self.ended:
                if self.error is not None:
                    raise self.error
                return b""
            await self._arrival()
        return self._take()

    async def push(self, sink: Callable[[bytes], bool]) -> None:
        """As :class:`~switchgear.kernel.upstream.Pushing` says; a compressed body is read."""
        while True:
            if self.chunks or self.ended or self._inflater is not None:
                if not sink(await self.read()):
                    return
                continue
            self._sink = sink
            try:
                await self._arrival()
                if self._sink is None:
                    return
            finally:
                self._sink = None

    async def _arrival(self) -> None:
        """Wait until something is there. Cancelled: the connection is closed."""
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise

    def _take(self) -> bytes:
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.taken_bytes = self.received_bytes
        if self.paused:
            self.paused = False
            if not self.ended:
                self.progressed()
                self._wire.resume()
        return data

    async def _read_inflated(self, inflater: Inflater) -> bytes:
        try:
            while True:
                data = b"" if inflater.pending else await self._read_raw()
                if not data and not inflater.pending:
                    break
                plain = inflater.step(data)
                if plain:
                    return plain
        except UpstreamGarbled as error:
            self.close()
            self.ended, self.error = True, error
            raise
        if self.received_bytes and not inflater.finished:
            raise UpstreamTruncated(f"{self._wire.where} ended a compressed body before its end")
        return b""

    # --------------------------------------------------------------------------------------- the connection's side

    def open(self, status: int, headers: Headers, coding: str, inflate_limit_bytes: int) -> None:
        """Status and headers are here; ``coding`` is the Content-Encoding. Raises UpstreamGarbled for a foreign one."""
        if coding:
            self._inflater = Inflater(coding, inflate_limit_bytes)
            headers = [item for item in headers if item[0] not in {b"content-encoding", b"content-length"}]
        self.headers = headers
        self.status = status

    def arrived(self) -> None:
        """Body bytes were appended to ``chunks``."""
        self.phase = "idle"
        self.deadline_at = self._loop.time() + self._timers.idle_seconds
        sink = self._sink
        if sink is not None:
            if not sink(self._take()):
                self._sink = None
                self.wake()
        elif self._waiter is not None:
            self.wake()
        elif self.received_bytes - self.taken_bytes > HIGH_WATER_BYTES and not self.paused:
            # From here on the reader sets the pace, so only the total timer may judge the upstream.
            self.paused = True
            self.deadline_at = self.total_at
            self._wire.pause()

    def wake(self) -> None:
        """Let the waiting caller look again."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: SwitchgearError | None) -> None:
        """Nothing more will arrive: the answer is complete, or broke off with ``error``."""
        self.ended = True
        self.error = error
        self.wake()

    # ------------------------------------------------------------------------------------------- the ticker's side

    def progressed(self) -> None:
        """Give the idle timer its full length again."""
        self.deadline_at = self._loop.time() + self._timers.idle_seconds

    def watch_upload(self, size_bytes: int) -> None:
        """The request is too large to leave at once: judge its progress before the first byte of the answer."""
        self._unsent_bytes = size_bytes
        self.phase = "idle"
        self.progressed()

    def await_upload(self) -> None:
        """The next piece of the request is somebody else's to bring: only the total timer counts."""
        self._unsent_bytes = 0
        if not self.status:
            self.phase = "idle"
            self.deadline_at = self.total_at

    def uploaded(self) -> None:
        """All of the request was given to the socket."""
        if self.status:
            return
        left = self._wire.unsent_bytes()
        if left:
            self.watch_upload(left)
        else:
            self.phase = "first_byte"
            self.deadline_at = self._loop.time() + self._timers.first_byte_seconds

    def tick(self, now: float) -> None:
        """Compare with the clock; called every few milliseconds."""
        if self._unsent_bytes and not self.paused:
            self._follow_upload()
        if now >= self.deadline_at or now >= self.total_at:
            self._expire("total" if self.total_at <= self.deadline_at else self.phase)

    def _follow_upload(self) -> None:
        left = self._wire.unsent_bytes()
        if left >= self._unsent_bytes:
            return
        self._unsent_bytes = left
        self.progressed()
        if left == 0 and not self.received_bytes:
            self.phase = "first_byte"
            self.deadline_at = self._loop.time() + self._timers.first_byte_seconds

    def _expire(self, phase: Phase) -> None:
        where = self._wire.where
        timers = self._timers
        if phase == "total":
            message = f"{where} did not finish its answer within {timers.total_seconds:g} s"
        elif phase == "first_byte":
            message = f"{where} sent no byte of a body within {timers.first_byte_seconds:g} s"
        elif self._unsent_bytes:
            message = f"{where} took no byte of the request for {timers.idle_seconds:g} s"
        else:
            message = f"{where} fell silent for {timers.idle_seconds:g} s after {self.received_bytes} body bytes"
        self._wire.break_off(UpstreamTimeout(message, phase=phase))


if TYPE_CHECKING:

    def is_a_reply(exchange: Exchange) -> UpstreamReply:
        return exchange

    def is_pushing(exchange: Exchange) -> Pushing:
        return exchange
