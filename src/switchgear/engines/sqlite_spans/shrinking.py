"""The file becomes smaller when much of it is free: what was sealed or deleted leaves pages that nothing uses."""

import sqlite3
from typing import Final

from switchgear.engines.sqlite_spans.writer import Writer

_STAYS_FREE: Final = 4
"""A quarter of the file is left for what is written next."""
_PAGES_AT_ONCE: Final = 500


def shrink(writer: Writer) -> None:
    """Give free pages back, some in each transaction, so that writes go between. Raises OSError.

    A file that was begun before there was this (``auto_vacuum``) keeps its size.
    """
    while writer.work(lambda connection, _: _give_back(connection)):
        pass


def _give_back(connection: sqlite3.Connection) -> bool:
    """Whether there is more."""
    free, pages = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("freelist_count", "page_count"))
    if free * _STAYS_FREE <= pages:
        return False
    # Each row that is fetched is a page.
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
    return int(connection.execute("PRAGMA page_count").fetchone()[0]) < pages
