"""Runs batches: takes those that nobody else runs, and clears away what is kept no longer.

Whoever runs a batch holds a lease on it, which it renews. Of several control processes on one database each takes what
is free; one that dies lets its leases run out, and the others go on with what it had.
"""

import asyncio
from contextlib import suppress
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from switchgear.batches import store
from switchgear.batches.course import Course
from switchgear.batches.model import ACTIVE, NANOSECONDS, Batch, Progress
from switchgear.batches.shop import Shop
from switchgear.batches.tables import BATCHES, FILES

LEASE_SECONDS: Final = 30
_MOST_AT_ONCE: Final = 50
"""Batches that one process runs at once."""
_PAUSE_SECONDS: Final = 1.0
_CLEAR_SECONDS: Final = 600
_ARRIVING_SECONDS: Final = 7200
"""No upload takes longer: what is not whole by then was left behind."""
_CLEARED_AT_ONCE: Final = 50


class Runner:
    """One control process' hand in all batches. ``owner`` is the same when the process starts again."""

    def __init__(self, shop: Shop, owner: str, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._shop = shop
        self._owner = owner
        self._pause_seconds = pause_seconds
        self._courses: dict[str, tuple[Course, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()
        self._cleared_ns = 0
        self._failing = False
        self.progress = Progress(batches={}, lines={})
        """As it was last seen."""

    def wake(self) -> None:
        """Something is new: look at once."""
        self._woken.set()

    @property
    def under_way(self) -> int:
        """Lines that wait for their answers."""
        return self._shop.slots.taken

    async def run(self) -> None:
        """Run batches until cancelled."""
        try:
            while True:
                await self._look()
                await self._rest()
        finally:
            tasks = [task for _, task in self._courses.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause_seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _look(self) -> None:
        try:
            await self.turn()
        except (OSError, SQLAlchemyError) as error:
            if not self._failing:
                self._shop.log.error("batches wait for the control database: %s", error)  # noqa: TRY400 (an operator's concern, and no defect)
            self._failing = True
        else:
            self._failing = False

    async def turn(self) -> None:
        """Take what is free, let go of what is over, clear away what is old. Raises OSError."""
        mine = [] if self._shop.pace() is None else await self._mine()
        for batch in mine:
            found = self._courses.get(batch.id)
            if found is None:
                course = Course(batch, self._shop)
                self._courses[batch.id] = (course, asyncio.create_task(self._follow(course)))
            else:
                found[0].see(batch)
        held = {batch.id for batch in mine}
        for name in [name for name in self._courses if name not in held]:
            self._courses.pop(name)[1].cancel()
        for name in [name for name, (_, task) in self._courses.items() if task.done()]:
            del self._courses[name]
        await self._clear()
        async with self._shop.database.read() as connection:
            self.progress = await store.progress(connection)

    async def _mine(self) -> list[Batch]:
        """The batches to run, leases renewed where they are half over."""
        shop, now_ns = self._shop, self._shop.now_ns()
        async with shop.database.read() as connection:
            active = await store.list_batches(
                connection, [BATCHES.c.status.in_(ACTIVE)], _MOST_AT_ONCE, oldest_first=True
            )
        half_ns = LEASE_SECONDS * NANOSECONDS // 2
        mine = [batch for batch in active if batch.owner == self._owner and batch.lease_until_ns - now_ns > half_ns]
        if len(mine) == len(active):
            return mine
        async with shop.database.write() as connection:
            lease_ns = LEASE_SECONDS * NANOSECONDS
            return await store.claim(connection, self._owner, now_ns, lease_ns, _MOST_AT_ONCE)

    async def _follow(self, course: Course) -> None:
        try:
            await course.run()
        except OSError as error:
            self._shop.log.error("%s waits for the control database: %s", course.batch.id, error)  # noqa: TRY400 (the same)
        except Exception:
            self._shop.log.exception("%s failed on a defect and is tried again", course.batch.id)
            await asyncio.sleep(LEASE_SECONDS)

    async def _clear(self) -> None:
        now_ns = self._shop.now_ns()
        if now_ns - self._cleared_ns < _CLEAR_SECONDS * NANOSECONDS:
            return
        self._cleared_ns = now_ns
        await clear(self._shop)


async def clear(shop: Shop) -> None:
    """Delete what is kept no longer. Raises OSError."""
    now_ns = shop.now_ns()
    left_ns = now_ns - _ARRIVING_SECONDS * NANOSECONDS
    keep_ns = now_ns - shop.rules().keep_seconds * NANOSECONDS
    old = (FILES.c.expires_ns < now_ns) | ((FILES.c.state == "arriving") & (FILES.c.created_ns < left_ns))
    async with shop.database.read() as connection:
        files = await store.list_files(connection, [old], _CLEARED_AT_ONCE, oldest_first=True)
        over = [BATCHES.c.status.not_in(ACTIVE), BATCHES.c.created_ns < keep_ns]
        batches = await store.list_batches(connection, over, _CLEARED_AT_ONCE, oldest_first=True)
    for file in files:
        async with shop.database.write() as connection:
            if not await store.is_in_use(connection, file.id):
                await store.forget_file(connection, file)
    for batch in batches:
        async with shop.database.write() as connection:
            await store.forget_batch(connection, batch)
