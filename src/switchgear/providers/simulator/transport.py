"""The simulator's transport: plays a performance under the caller's timers, as a socket would let it be seen."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import (
    Phase,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Target, Timers, Transport, UpstreamReply
from switchgear.providers.simulator.director import Director, Format
from switchgear.providers.simulator.performance import Performance, Step
from switchgear.providers.simulator.provider import STUDIO
from switchgear.providers.simulator.studio import Studio

Sleep = Callable[[float], Awaitable[None]]

_NANOSECONDS: Final = 1_000_000_000


class Simulator:
    """Answers targets of the scheme ``sim`` in the dialect they name; ``sleep`` runs on the time of ``clock``."""

    def __init__(
        self,
        dialects: Mapping[str, Format],
        *,
        clock: Clock,
        random_bits: RandomBits,
        sleep: Sleep,
    ) -> None:
        self._director = Director(dialects, clock, random_bits)
        self._studio = Studio(clock)
        self._clock = clock
        self._sleep = sleep
        self._closed = False

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        """Raises UpstreamTimeout; UpstreamUnreachable when closed or for a dialect it was not handed."""
        if self._closed:
            raise UpstreamUnreachable("the simulator is closed")
        if not isinstance(body, bytes):
            body = b"".join([piece async for piece in body])
        patience = Patience(self._clock, timers)
        if target.origin == STUDIO:
            performance = self._studio.perform(target, body, dict(extra_headers))
        else:
            performance = self._director.perform(target, body)
        wait_seconds, error = patience.wait_for(performance.opens_seconds)
        await self._sleep(wait_seconds)
        error = error or performance.error
        if error is not None:
            raise error
        return SimulatedReply(performance, patience, self._sleep)

    async def aclose(self) -> None:
        self._closed = True


class Patience:
    """The timers of one attempt, started when the request is sent."""

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._sent_ns = clock.monotonic_ns()
        self._byte_ns: int | None = None

    def byte_came(self) -> None:
        """From now on the idle timer counts."""
        self._byte_ns = self._clock.monotonic_ns()

    def wait_for(self, due_seconds: float) -> tuple[float, UpstreamTimeout | None]:
        """Seconds to wait for what comes ``due_seconds`` after the request, and the timer that fires before it does."""
        elapsed = self._elapsed(self._sent_ns)
        limit_seconds, phase = self._limit(elapsed)
        due = max(due_seconds - elapsed, 0.0)
        if due <= limit_seconds:
            return due, None
        message = f"the simulator was silent for longer than {phase}_seconds allows"
        return max(limit_seconds, 0.0), UpstreamTimeout(message, phase=phase)

    def _limit(self, elapsed: float) -> tuple[float, Phase]:
        timers = self._timers
        total = timers.total_seconds - elapsed
        phase: Phase = "idle"
        if self._byte_ns is None:
            phase, left = "first_byte", timers.first_byte_seconds - elapsed
        else:
            left = timers.idle_seconds - self._elapsed(self._byte_ns)
        return (left, phase) if left <= total else (total, "total")

    def _elapsed(self, since_ns: int) -> float:
        return (self._clock.monotonic_ns() - since_ns) / _NANOSECONDS


class SimulatedReply:
    """An answer without a socket: one step, mostly one frame, to a read."""

    def __init__(self, performance: Performance, patience: Patience, sleep: Sleep) -> None:
        self.status = performance.status
        self.headers = performance.headers
        self._steps: Iterator[Step] = iter(performance.steps)
        self._patience = patience
        self._sleep = sleep
        self._nap: asyncio.Future[None] | None = None
        self._failure: UpstreamError | None = None

    async def read(self) -> bytes:
        """The bytes of the next step, ``b""`` at the end."""
        if self._failure is not None:
            raise self._failure
        step = next(self._steps, None)
        if step is None:
            return b""
        wait_seconds, timeout = self._patience.wait_for(step.due_seconds)
        await self._wait(wait_seconds)
        self._failure = self._failure or timeout or step.error
        if self._failure is not None:
            raise self._failure
        self._patience.byte_came()
        return step.data

    async def read_all(self, limit_bytes: int) -> bytes:
        body = bytearray()
        while data := await self.read():
            body += data
            if len(body) > limit_bytes:
                self.close()
                raise UpstreamGarbled(f"the simulator's answer is larger than {limit_bytes} bytes")
        return bytes(body)

    def close(self) -> None:
        """Ends a read that waits, at once."""
        self._steps = iter(())
        self._failure = self._failure or UpstreamTruncated("the reply was closed before its end")
        if self._nap is not None:
            self._nap.cancel()

    async def _wait(self, seconds: float) -> None:
        """Sleep in a task of its own, so that :meth:`close` can end it without cancelling the reader."""
        if seconds <= 0:
            await self._sleep(0.0)
            return
        self._nap = nap = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait((nap,))
        finally:
            self._nap = None
            nap.cancel()
        if not nap.cancelled():
            nap.result()


if TYPE_CHECKING:
    _: tuple[type[Transport], type[UpstreamReply]] = (Simulator, SimulatedReply)
