"""The control process' side of the feed: compiled when the database changes, confirmed as long as it can be read."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from switchgear.auth.master_key import MasterKeys
from switchgear.config.feed import Feed, confirm_feed, write_feed
from switchgear.kernel.errors import SwitchgearError

_PERIOD_SECONDS: Final = 0.25

Compile = Callable[[], Awaitable[Feed]]
"""What the database says now. Raises OSError or SwitchgearError when it cannot be asked."""


class Feeding:
    """Writes the feed once before the control process is ready, then whenever it is nudged, and four times a second.

    A database that does not answer costs a line in the log and changes nothing: gateways go on with the last feed, and
    see that nobody confirms it.
    """

    def __init__(self, path: Path, keys: MasterKeys, compile_feed: Compile) -> None:
        self._path = path
        self._keys = keys
        self._compile = compile_feed
        self._nudged = asyncio.Event()
        self._failing = False
        self._log = logging.getLogger("switchgear.control")

    def nudge(self) -> None:
        """Something changed: do not wait for the next look."""
        self._nudged.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            try:
                async with asyncio.timeout(_PERIOD_SECONDS):
                    await self._nudged.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Compile once, and write what is new."""
        self._nudged.clear()
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

    def _write(self, feed: Feed) -> None:
        write_feed(self._path, feed, self._keys)
        confirm_feed(self._path)
