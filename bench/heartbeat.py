"""How late a gateway's event loop is, seen from inside: a beat is due every millisecond and tells when it ran.

Copied as `sitecustomize.py` into a folder that a gateway's PYTHONPATH names, so that nothing in the gateway has to know
of it; what it finds lies beside it. A loop that was held up for 50 ms has missed 50 beats, and each of them counts with
its own wait (no coordinated omission). Beside each wait stands how much of it the loop's thread itself worked: the rest
is the machine's, which gave the core to somebody else.
"""

import asyncio
import sys
import time
from array import array
from collections.abc import Coroutine
from pathlib import Path
from typing import NamedTuple, TypeVar

import uvloop

T = TypeVar("T")

MODULE = "switchgear.processes.gateway"
FOUND = "beats.bin"
EVERY_NS = 1_000_000
WRITE_AT = 1000


class Beat(NamedTuple):
    """When a beat was due (monotonic clock), how late it ran, and how much of that the loop worked; nanoseconds."""

    due: int
    late: int
    worked: int


class Heart:
    """Beats on the running loop for as long as that runs, and appends the beats to a file."""

    def __init__(self, found: Path) -> None:
        self._file = found.open("ab", buffering=0)
        self._loop = asyncio.get_running_loop()
        self._beats = array("q")
        self._cpu = time.thread_time_ns()
        self._due = time.monotonic_ns() + EVERY_NS
        self._timer = self._loop.call_later(EVERY_NS / 1e9, self._beat)

    def stop(self) -> None:
        """Write down what is left."""
        self._timer.cancel()
        self._file.write(self._beats)
        self._file.close()

    def _beat(self) -> None:
        now, cpu = time.monotonic_ns(), time.thread_time_ns()
        while self._due <= now:
            late = now - self._due
            self._beats.extend(Beat(self._due, late, min(late, cpu - self._cpu)))
            self._due += EVERY_NS
        self._cpu = cpu
        if len(self._beats) >= WRITE_AT:
            self._file.write(self._beats)
            del self._beats[:]
        self._timer = self._loop.call_later((self._due - now) / 1e9, self._beat)


def watch(found: Path) -> None:
    """Let every loop that `uvloop.run` starts in this process have a heart."""
    run = uvloop.run

    async def with_heart(main: Coroutine[object, object, T]) -> T:
        heart = Heart(found)
        try:
            return await main
        finally:
            heart.stop()

    def run_with_heart(main: Coroutine[object, object, T]) -> T:
        return run(with_heart(main))

    uvloop.run = run_with_heart


def read_beats(found: Path, from_ns: int, to_ns: int) -> list[Beat]:
    """The beats that were due between two moments of the monotonic clock."""
    told = array("q")
    told.frombytes(found.read_bytes())
    beats = [Beat(*told[at : at + 3]) for at in range(0, len(told), 3)]
    return [beat for beat in beats if from_ns <= beat.due < to_ns]


if __name__ == "sitecustomize" and MODULE in sys.orig_argv:
    watch(Path(__file__).with_name(FOUND))
