"""Brings what the write-ahead log holds into the file, beside the thread that writes: nobody's spans wait for it.

Left to itself SQLite does this within the commit that makes the log too long, and whoever sent those spans waits for
all of it. A pass on a connection of its own can go on while spans are written (https://www.sqlite.org/wal.html#ckpt);
what came meanwhile stays in the log, so that it would never begin anew: that small rest is the writer's, between two
transactions, after whoever sent the last one was answered.
"""

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Final

_WITHOUT_WAITING: Final = "PRAGMA wal_checkpoint(PASSIVE)"
_PAUSE_SECONDS: Final = 0.25
"""Between two passes: pages that each transaction changes are then brought over for many of them at once."""
_LONG: Final = 2
"""A log of more than this part of the pages that it may have is to begin anew."""


class Checkpoints:
    """A thread that brings pages over after something was written, until it is closed."""

    def __init__(self, path: Path, most_pages: int) -> None:
        """``most_pages``: what the log may have before SQLite itself brings them over within a commit."""
        self.rest_is_due = False
        """The log is long, and all but its end was brought over: the writer does the rest."""
        self._path = path
        self._long_pages = most_pages // _LONG
        self._log = logging.getLogger("switchgear.traces")
        self._written = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spans-checkpoint", daemon=True)
        self._thread.start()

    def note(self) -> None:
        """Something was written."""
        self._written.set()

    def finish(self, connection: sqlite3.Connection) -> None:
        """Bring over the rest, on the connection that writes and between its transactions."""
        self.rest_is_due = False
        try:
            connection.execute(_WITHOUT_WAITING).fetchone()
        except sqlite3.Error as error:
            self._failed(error)

    def close(self) -> None:
        """Let a pass that is under way come to its end."""
        self._closing.set()
        self._written.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            # The file is synchronised before the log may begin anew.
            connection.execute("PRAGMA synchronous = FULL")
            while self._wait():
                self.step(connection)
        finally:
            connection.close()

    def _wait(self) -> bool:
        """Whether something was written, some time ago, and there is to be another pass."""
        self._written.wait()
        # Before the look at whether it ends: closing is said first, and then wakes.
        self._written.clear()
        return not self._closing.wait(_PAUSE_SECONDS)

    def step(self, connection: sqlite3.Connection) -> None:
        """One pass; readers and the writer go on meanwhile."""
        try:
            _, pages, _ = connection.execute(_WITHOUT_WAITING).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
        else:
            self.rest_is_due = pages > self._long_pages

    def _failed(self, error: sqlite3.Error) -> None:
        # Nothing is lost: the log keeps what it holds, and the next commit or the next pass tries again.
        self._log.debug("pages of %s stay in its log for now: %s", self._path, error)
