"""How the next owner of a file wakes the one before it: by a FIFO beside the file, instead of looks at the clock.

Whoever takes over rings the bell that hangs there, if somebody still listens to it, and hangs its own in its place,
under the same name. Nobody has to clean up: a bell whose process is gone cannot be rung, and is replaced all the same.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path


class Bell:
    """One process' own, at ``path``; rung at most once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()

    def hang(self) -> None:
        """Ring the one that hangs there, and hang this one in its place. Raises OSError where there can be no FIFO."""
        with suppress(OSError):  # nobody listens, or none hangs there
            ringing = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(ringing, b"!")
            finally:
                os.close(ringing)
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        os.mkfifo(draft, 0o600)
        self._file = os.open(draft, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        draft.rename(self._path)

    async def rings_within(self, seconds: float) -> bool:
        """Wait so long, or until it is rung; whether it was. One that does not hang, or was rung before, is not."""
        if self._file < 0:
            await asyncio.sleep(seconds)
            return False
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._file, self._ring)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        return self._rung.is_set()

    def close(self) -> None:
        """Listen no more."""
        file, self._file = self._file, -1
        if file >= 0:
            if self._loop is not None:
                self._loop.remove_reader(file)
            os.close(file)

    def _ring(self) -> None:
        self._rung.set()
        self.close()
