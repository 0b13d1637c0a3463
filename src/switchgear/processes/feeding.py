"""The control process' side of the feed: compiled when the database changes, confirmed as long as it can be read."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

from switchgear.auth.master_key import MasterKeys
from switchgear.config.feed import Feed, confirm_feed, write_feed
from switchgear.kernel.errors import SwitchgearError

_PERIOD_SECONDS: Final = 1.0
"""Between two looks where the database tells of no change: gateways see by them that somebody still reads it."""

Compile = Callable[[], Awaitable[Feed]]
"""What the database says now, the same object as long as it says the same.

Raises OSError or SwitchgearError when it cannot be asked.
"""
Changes = Callable[[], AsyncGenerator[None]]
"""An item whenever something may have been committed (``Database.changes``)."""
Stamp = tuple[int, int, int]


class Feeding:
    """Writes the feed once before the control process is ready, then whenever the database has changed.

    A database that does not answer costs a line in the log and changes nothing: gateways go on with the last feed, and
    see that nobody confirms it. A file that another hand has changed is written again.
    """

    def __init__(self, path: Path, keys: MasterKeys, compile_feed: Compile, changes: Changes) -> None:
        self._path = path
        self._keys = keys
        self._compile = compile_feed
        self._changes = changes
        self._changed = asyncio.Event()
        self._failing = False
        self._written: tuple[Feed, Stamp | None] | None = None
        """What was written last, and what the file looked like then."""
        self._log = logging.getLogger("switchgear.control")

    async def run(self) -> None:
        """Look until cancelled."""
        hearing = asyncio.create_task(self._hear())
        try:
            while True:
                await self.look()
                await self._rest()
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])

    async def _rest(self) -> None:
        """Until something changes, and not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PERIOD_SECONDS):
                await self._changed.wait()

    async def look(self) -> None:
        """Ask once, and write what is new."""
        self._changed.clear()
        try:
            feed = await self._compile()
            await asyncio.to_thread(self._write, feed)
        except (OSError, SwitchgearError) as error:
            if not self._failing:
                self._log.error("the feed of the gateways cannot be written: %s", error)
            self._failing = True
            return
        if self._failing:
            self._log.warning("the feed of the gateways is written again")
        self._failing = False

    async def _hear(self) -> None:
        async with aclosing(self._changes()) as changes:
            async for _ in changes:
                self._changed.set()

    def _write(self, feed: Feed) -> None:
        written = self._written
        if written is None or feed is not written[0] or written[1] != _stamp(self._path):
            write_feed(self._path, feed, self._keys)
            self._written = (feed, _stamp(self._path))
        confirm_feed(self._path)


def _stamp(path: Path) -> Stamp | None:
    """What changes when the file does; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
