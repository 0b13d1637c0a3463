"""The full text of one segment, in a small SQLite file: which spans say a word."""

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from switchgear.engines.sqlite_spans.failures import failures

_TABLES: Final = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
CREATE TABLE links (content INTEGER NOT NULL, span INTEGER NOT NULL, PRIMARY KEY (content, span)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', columnsize = 0, detail = none, tokenize = 'unicode61 remove_diacritics 0'
);
INSERT INTO words (words, rank) VALUES ('hashsize', 268435456);
"""
"""What is written in one go becomes one piece of the index, which need not be merged."""
_SAID: Final = (
    "SELECT DISTINCT l.span FROM links l WHERE l.content IN (SELECT w.rowid FROM words w WHERE w.words MATCH ?)"
)
_IS_SAID: Final = "SELECT 1 FROM words w WHERE w.words MATCH ? LIMIT 1"


def write_words(path: Path, texts: Iterable[tuple[int, str]], links: Iterable[tuple[int, int]]) -> None:
    """Numbers of contents with their texts, and of the spans that have them. Raises OSError."""
    with failures(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_TABLES)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", texts)
        connection.executemany("INSERT OR IGNORE INTO links (content, span) VALUES (?, ?)", sorted(links))
        connection.execute("COMMIT")


def spans_that_say(path: Path, words: Collection[str], must: Collection[str]) -> dict[str, list[int]] | None:
    """Numbers of the spans that say each word, of those alone that say all that ``must`` be said; None: nobody does.

    Raises OSError.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with failures(path), closing(sqlite3.connect(uri, uri=True)) as connection:
        # Whether a word is said is known sooner than by whom; of one word alone the latter says both.
        if len(words) > 1 and any(connection.execute(_IS_SAID, (f'"{word}"',)).fetchone() is None for word in must):
            return None
        found = {word: [number for (number,) in connection.execute(_SAID, (f'"{word}"',))] for word in words}
    if not must:
        return found
    fewest = min((found[word] for word in must), key=len)
    saying_all = list(set(fewest).intersection(*(found[word] for word in must)))
    return found | dict.fromkeys(must, saying_all) if saying_all else None
