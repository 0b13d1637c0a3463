"""What all batches that one control process runs have in common: their places, their pace, where they are kept."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.batches import store
from switchgear.batches.model import NANOSECONDS, Result, Rules
from switchgear.batches.sending import Send
from switchgear.batches.windows import Pace, Pacer
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database

_DATABASE_PAUSE_SECONDS: Final = 1.0


class Done(NamedTuple):
    """A line that was answered."""

    batch: str
    number: int
    result: Result
    written: asyncio.Future[None]


class Slots:
    """Places for requests under way, given in the order in which they are asked for."""

    def __init__(self) -> None:
        self.taken = 0
        self._changed = asyncio.Condition()

    async def take(self, limit: int) -> None:
        """Wait until fewer than ``limit`` are taken, and take one."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.taken < limit)
            self.taken += 1

    async def give_back(self) -> None:
        """Let go of one."""
        async with self._changed:
            self.taken -= 1
            self._changed.notify()


class Keeper:
    """Writes down what became of lines: all that came while the last transaction was under way goes into the next."""

    def __init__(self, database: Database[AsyncConnection], log: logging.Logger) -> None:
        self._database = database
        self._log = log
        self.pause_seconds = _DATABASE_PAUSE_SECONDS
        self._waiting: list[Done] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, batch: str, number: int, result: Result) -> None:
        """Wait until it is written down, however long the database does not answer: it was paid for.

        Raises whatever is wrong with a result that the database will never take.
        """
        done = Done(batch, number, result, asyncio.get_running_loop().create_future())
        self._waiting.append(done)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await done.written

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting, []
                await self._write(some)
        finally:
            self._writing = None

    async def _write(self, some: Sequence[Done]) -> None:
        error = await self._refusal(some)
        if error is not None and len(some) > 1:
            # One of them must not take the others with it.
            for done in some:
                await self._write([done])
            return
        for done in some:
            if done.written.done():
                continue
            if error is None:
                done.written.set_result(None)
            else:
                done.written.set_exception(error)

    async def _refusal(self, some: Sequence[Done]) -> Exception | None:
        """Write until the database answers; why it refuses, None when it does not."""
        while True:
            try:
                await self._commit(some)
            except OSError as error:
                self._log.error("%s lines are done and cannot be written down yet: %s", len(some), error)
                await asyncio.sleep(self.pause_seconds)
            except Exception as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
                return error
            else:
                return None

    async def _commit(self, some: Sequence[Done]) -> None:
        async with self._database.write() as connection:
            for done in some:
                await store.finish_line(connection, done.batch, done.number, done.result)


class Shop:
    """The tools of a runner."""

    def __init__(
        self,
        database: Database[AsyncConnection],
        send: Send,
        pace: Callable[[], Pace | None],
        rules: Callable[[], Rules],
        clock: Clock,
        ids: Ids,
    ) -> None:
        self.database = database
        self.send = send
        self.pace = pace
        self.rules = rules
        self.clock = clock
        self.ids = ids
        self.slots = Slots()
        self.pacer = Pacer()
        self.poll_seconds = 0.25
        """How often what nobody tells of is looked at: the clock, another process' changes."""
        self.first_pause_seconds = 2.0
        """Before a line that failed is sent again; each further pause is twice as long."""
        self.log = logging.getLogger("switchgear.batches")
        self.keeper = Keeper(database, self.log)

    def now_ns(self) -> int:
        """Wall time."""
        return self.clock.wall_ns()

    def in_seconds(self, seconds: float) -> int:
        """Wall time in so many seconds."""
        return self.clock.wall_ns() + round(seconds * NANOSECONDS)
