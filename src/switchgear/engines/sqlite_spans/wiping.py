"""Words of deleted messages are taken out of the file, little by little, while nothing else is to be written.

Full text (FTS5) does not take a word out of its index: it notes that it is gone, and forgets it when segments are
merged, which without asking happens some day. So after a deletion all segments are merged into one, a bounded number of
pages in each transaction (https://www.sqlite.org/fts5.html#the_merge_command). What SQLite gives up it overwrites with
zeros (``secure_delete``), and the write-ahead log, which still holds the old pages, is emptied at the end. That this is
to be done stands in the file, with the deletion, so that a crash only puts it off.
"""

import sqlite3
from typing import Final

from switchgear.kernel.query import Doomed

CHORE: Final = "wipe"
_PAGES_AT_ONCE: Final = 500
_CHECKPOINT_BUSY_MS: Final = 200
_MOST_CHECKPOINTS: Final = 50
_AGED_SHARE: Final = 20
"""What grew old is wiped when it is a twentieth of what is left: merging costs as much as the whole index."""


class Wiping:
    """What is to be wiped, on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._busy_ms = int(connection.execute("PRAGMA busy_timeout").fetchone()[0])
        found = connection.execute("SELECT 1 FROM chores WHERE name = ?", (CHORE,)).fetchone()
        self.is_due = found is not None
        self._is_merging = False
        self._aged_spans = 0
        self._checkpoints = 0

    def note(self, doomed: Doomed, spans: int) -> None:
        """So many spans were deleted, in the transaction that is open; what somebody wanted gone is wiped at once."""
        if doomed.before_ns:
            self._aged_spans += spans
            (kept,) = self._connection.execute("SELECT coalesce(max(id) - min(id), 0) FROM spans").fetchone()
            if self._aged_spans * _AGED_SHARE < kept:
                return
        self._aged_spans = 0
        self._connection.execute("INSERT OR IGNORE INTO chores (name) VALUES (?)", (CHORE,))
        self.is_due = True
        self._is_merging = False

    def step(self) -> None:
        """Do a little of it, in a transaction of its own; afterwards it may be done."""
        if self._merge():
            return
        if self._empty_log() or self._checkpoints >= _MOST_CHECKPOINTS:
            self._connection.execute("DELETE FROM chores WHERE name = ?", (CHORE,))
            self.is_due = False
            self._checkpoints = 0

    def put_off(self) -> None:
        """It failed: it is begun again with the next deletion, or when the file is opened again."""
        self.is_due = False

    def _merge(self) -> bool:
        """Merge some pages; whether anything was left to be merged."""
        before = self._connection.total_changes
        execute = self._connection.execute
        if not self._is_merging:
            # Two segments are to be merged as well as many; a negative number begins anew with all of them.
            execute("INSERT INTO words (words, rank) VALUES ('usermerge', 2)")
            execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (-_PAGES_AT_ONCE,))
            self._is_merging = True
            return True
        execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (_PAGES_AT_ONCE,))
        # The statement itself counts as one change.
        return self._connection.total_changes - before > 1

    def _empty_log(self) -> bool:
        """Bring the log's pages into the file and cut it off; whether no reader was in the way."""
        self._checkpoints += 1
        self._connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_BUSY_MS}")
        try:
            (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {self._busy_ms}")
        return not busy
