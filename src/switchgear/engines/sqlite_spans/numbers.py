"""Numbers of spans and traces: each grows, and none is given twice, whatever is deleted or sealed.

Exporters stand at a span's number, and segments name traces by theirs, so a number must never come to mean another.
The last of each stands in a table, written with what it was given to; the rows themselves may be gone.
"""

import sqlite3
from typing import Final, Literal

NUMBER_TABLES: Final = """
CREATE TABLE numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO numbers (name, last) VALUES
    ('spans', max(coalesce((SELECT max(id) FROM spans), 0), coalesce((SELECT max(span) FROM marks), 0))),
    ('traces', max(coalesce((SELECT max(id) FROM traces), 0), coalesce((SELECT max(trace) FROM sealed), 0)));
"""
LAST_SPAN: Final = "SELECT last FROM numbers WHERE name = 'spans'"
_Of = Literal["spans", "traces"]


class Numbers:
    """Gives them, on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: dict[_Of, int] = {}
        self._is_kept = True

    def forget(self) -> None:
        """The transaction was undone, and what was given in it was seen by nobody."""
        self._last.clear()
        self._is_kept = True

    def next(self, of: _Of) -> int:
        """One that was never given."""
        number = self.last(of) + 1
        self._last[of] = number
        self._is_kept = False
        return number

    def last(self, of: _Of) -> int:
        """The one that was given last; 0 at first."""
        known = self._last.get(of)
        if known is None:
            (known,) = self._connection.execute("SELECT last FROM numbers WHERE name = ?", (of,)).fetchone()
            self._last[of] = int(known)
        return int(known)

    def keep(self) -> None:
        """Write down what was given in this transaction."""
        if not self._is_kept:
            told = [(last, of) for of, last in self._last.items()]
            self._connection.executemany("UPDATE numbers SET last = ? WHERE name = ?", told)
            self._is_kept = True
