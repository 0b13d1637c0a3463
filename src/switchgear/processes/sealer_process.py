"""The control process' hand in the process that makes files of sealed spans: started for a turn, and killed at need.

Files that it wrote are finished here, under a mark that no other such process has: one that outlives its control
process for a moment can harm nothing that a later one makes.
"""

import contextlib
import errno
import os
import select
import subprocess
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Final

from msgspec import MsgspecError, msgpack

from switchgear.engines.sealed_spans.segment import Files, folder_beside
from switchgear.engines.sqlite_spans.making import Failed, Made, Turn
from switchgear.kernel.ids import secret_hex
from switchgear.processes.options import LENGTH_BYTES, SealerOptions, command_line

SEALER_MODULE: Final = "switchgear.processes.sealer"
_MARK_BYTES: Final = 8
_MOST_SECONDS: Final = 3600.0
"""For one segment; where everything else keeps the machine busy, what gives way to all may take long."""


class SealerProcess:
    """Makes segments for the store in the file ``path``."""

    def __init__(self, path: Path, most_seconds: float = _MOST_SECONDS) -> None:
        self._path = path
        self._most_seconds = most_seconds
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def made(self, turn: Turn) -> Generator[Made]:
        mark = secret_hex(_MARK_BYTES)
        options = SealerOptions(
            store=str(self._path), mark=mark, before_ns=turn.before_ns, until=turn.until, fewest=turn.fewest
        )
        # No session of its own: where the system shares processors among sessions, niceness counts within one.
        with subprocess.Popen(  # noqa: S603 (a program of its own, with options that nobody else words)
            command_line(SEALER_MODULE, options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as process:
            self._process = process
            try:
                yield from self._told(process, mark)
            finally:
                self._process = None
                process.kill()

    def stop(self) -> None:
        self._stopping.set()
        process = self._process
        if process is not None:
            process.kill()

    def _told(self, process: subprocess.Popen[bytes], mark: str) -> Iterator[Made]:
        assert process.stdin is not None
        assert process.stdout is not None
        # One that was told to stop before there was a process has killed none.
        while not self._stopping.is_set():
            length = self._read(process.stdout, LENGTH_BYTES)
            if not length:
                break
            data = self._read(process.stdout, int.from_bytes(length, "big"))
            if self._stopping.is_set():
                break
            made = _decoded(data)
            Files(folder_beside(self._path), made.name, mark).finish()
            yield made
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n")
        if self._stopping.is_set():
            raise OSError(errno.ECANCELED, "sealing was stopped", str(self._path))
        try:
            status = process.wait(self._most_seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(errno.ETIMEDOUT, "the process that seals does not end", str(self._path)) from error
        if status:
            raise OSError(errno.EIO, f"the process that seals ended with status {status}", str(self._path))

    def _read(self, stream: IO[bytes], count: int) -> bytes:
        """So many bytes; fewer where there are no more. Raises OSError when nothing comes for too long."""
        ready = select.poll()
        ready.register(stream, select.POLLIN)
        data = bytearray()
        while len(data) < count:
            if not ready.poll(self._most_seconds * 1000):
                raise TimeoutError(
                    errno.ETIMEDOUT, f"a segment was not written within {self._most_seconds:.0f} s", str(self._path)
                )
            some = os.read(stream.fileno(), count - len(data))
            if not some:
                break
            data += some
        return bytes(data)


def _decoded(data: bytes) -> Made:
    try:
        message = msgpack.decode(data, type=Made | Failed)
    except MsgspecError as error:
        raise OSError(errno.EIO, f"the process that seals was cut short: {error}") from error
    if isinstance(message, Failed):
        raise OSError(message.number, message.said)
    return message
