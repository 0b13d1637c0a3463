"""One child process under a supervisor: started, watched, told to stop."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final

START_SECONDS: Final = 20.0
"""So long a child may take to become ready."""
_END_SECONDS: Final = 1.0

CommandFor = Callable[[int, int], Sequence[str]]
"""The command line of a child, given the descriptor on which it reports that it is ready, and one to watch.

The second stays open as long as the parent lives: a child that sees it close ends by itself, so that a killed
supervisor leaves nobody behind.
"""


class Child:
    """A running child process."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, ready: asyncio.Future[bool], life_end: int
    ) -> None:
        self.name = name
        self.process = process
        self._ready = ready
        self._life_end = life_end
        self.stopping = False

    @classmethod
    async def start(
        cls, name: str, command_for: CommandFor, environ: Mapping[str, str], inherited: Sequence[int] = ()
    ) -> "Child":
        """Start a child in a process group of its own, so that a Ctrl-C reaches the supervisor alone."""
        read_end, write_end = os.pipe()
        watched_end, life_end = os.pipe()
        ready = _when_readable(read_end)
        try:
            process = await asyncio.create_subprocess_exec(
                *command_for(write_end, watched_end),
                stdin=subprocess.DEVNULL,
                env=environ,
                pass_fds=(*inherited, write_end, watched_end),
                start_new_session=True,
            )
        finally:
            os.close(write_end)
            os.close(watched_end)
        return cls(name, process, ready, life_end)

    async def wait_ready(self) -> bool:
        """Whether the child reported that it is ready, rather than ended or said nothing in time."""
        try:
            async with asyncio.timeout(START_SECONDS):
                return await self._ready
        except TimeoutError:
            return False

    async def status(self) -> int | None:
        """How a child that did not become ready ended: its exit status, or minus a signal; None: it lives."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                return await self.process.wait()
        except TimeoutError:
            return None

    def terminate(self) -> None:
        """Ask the child to finish its work and end."""
        self.stopping = True
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def ended(self, within_seconds: float) -> None:
        """Wait for the end; kill when it does not come in time."""
        try:
            async with asyncio.timeout(within_seconds):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.release()

    def release(self) -> None:
        """Let go of what the parent held for a child that has ended."""
        life_end, self._life_end = self._life_end, -1
        if life_end >= 0:
            os.close(life_end)


def _when_readable(read_end: int) -> asyncio.Future[bool]:
    """A future of whether a byte came before the other end was closed."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()

    def come() -> None:
        loop.remove_reader(read_end)
        said = os.read(read_end, 1)
        os.close(read_end)
        if not future.done():
            future.set_result(bool(said))

    loop.add_reader(read_end, come)
    return future


def report_ready(ready_fd: int | None) -> None:
    """Tell the parent that this process answers."""
    if ready_fd is not None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)


def when_orphaned(life_fd: int | None, act: Callable[[], None]) -> None:
    """Call ``act`` when the parent is gone."""
    if life_fd is None:
        return
    loop = asyncio.get_running_loop()

    def closed() -> None:
        loop.remove_reader(life_fd)
        act()

    loop.add_reader(life_fd, closed)
