"""What the servers behind deployments say of their own queues: each is asked once a second, beside the calls.

A server is shared by gateways that do not know of each other, and by others still, so that what one gateway has in
flight says little of how busy it is. What a server says is forgotten soon, and without it deployments are balanced by
what this gateway knows, as all others are.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import SwitchgearError, UpstreamError
from switchgear.kernel.upstream import Target, Timers, Transport
from switchgear.routing.health import Health
from switchgear.wire.queue_metrics import QueueReading, read_queue

PERIOD_SECONDS: Final = 1.0
MAX_BYTES: Final = 512 * 1024
"""Ten times what a server with one engine tells."""
PATIENCE: Final = Timers(connect_seconds=2.0, first_byte_seconds=2.0, idle_seconds=2.0, total_seconds=2.0)
_OK: Final = 200


class QueueSource(Struct, frozen=True, kw_only=True):
    """One provider whose server tells of its queue."""

    provider: str
    target: Target
    transport: Transport
    healths: tuple[Health, ...]
    """Of the deployments that calls are balanced over."""


class Queues(Struct, frozen=True, kw_only=True):
    """The servers of one snapshot that are asked."""

    sources: tuple[QueueSource, ...] = ()


class QueueWatch:
    """A gateway's eye on them. A server that does not answer costs a line in the log, and one more when it does."""

    def __init__(self, queues: Callable[[], Queues], clock: Clock, timers: Timers = PATIENCE) -> None:
        self._queues = queues
        self._clock = clock
        self._timers = timers
        self._asking: dict[str, asyncio.Task[None]] = {}
        """By provider: a server that is slow to answer is not asked again meanwhile."""
        self._silent: set[str] = set()
        self._log = logging.getLogger("switchgear.gateway")

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                self._begin_round()
                await asyncio.sleep(PERIOD_SECONDS)
        finally:
            for task in self._asking.values():
                task.cancel()
            await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _begin_round(self) -> None:
        sources = self._queues().sources
        self._silent.intersection_update([source.provider for source in sources])
        self._asking = {provider: task for provider, task in self._asking.items() if not task.done()}
        for source in sources:
            if source.provider not in self._asking:
                self._asking[source.provider] = asyncio.get_running_loop().create_task(self.ask(source))

    async def ask(self, source: QueueSource) -> None:
        """Ask one server, and tell the healths of its deployments."""
        try:
            reading = await _answer(source, self._timers)
        except SwitchgearError as error:
            if source.provider not in self._silent:
                text = "the queue of the provider %s is not known: %s; it is balanced by this gateway's own calls"
                self._log.warning(text, source.provider, error.message)
            self._silent.add(source.provider)
            return
        if source.provider in self._silent:
            self._log.info("the queue of the provider %s is known again", source.provider)
        self._silent.discard(source.provider)
        now_ns = self._clock.monotonic_ns()
        for health in source.healths:
            health.heard(reading, now_ns)


async def _answer(source: QueueSource, timers: Timers) -> QueueReading:
    """Raises SwitchgearError when there is none."""
    path = source.target.path.partition("?")[0]
    reply = await source.transport.send(source.target, b"", timers)
    try:
        if reply.status != _OK:
            raise UpstreamError(f"GET {path} was answered with status {reply.status}")
        text = await reply.read_all(MAX_BYTES)
    finally:
        reply.close()
    reading = read_queue(text)
    if reading is None:
        raise UpstreamError(f"GET {path} tells of no queue that is known here")
    return reading
