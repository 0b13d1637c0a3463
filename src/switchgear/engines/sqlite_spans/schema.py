"""The tables of the trace store, and the version of them that a file has."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final, cast

from switchgear.engines.sqlite_spans.columns import COLUMNS
from switchgear.engines.sqlite_spans.numbers import NUMBER_TABLES
from switchgear.engines.sqlite_spans.rollups import CELL_COLUMNS, SERIES
from switchgear.engines.sqlite_spans.sealed_tables import LEFT_BY_TRACE, SEALED_TABLES
from switchgear.engines.sqlite_spans.sketch import Joined

_APPLICATION_ID: Final = 0x53774754
"""So that another program's file is not taken for ours."""
_BUSY_MS: Final = 10_000
_PAGE_BYTES: Final = 4_096
_MOST_LOG_PAGES: Final = 8_000
_LEAST_LOG_PAGES: Final = 1_000
_LOG_SHARE: Final = 20
"""The log takes a twentieth of what is free, where that is less: on a small disk spans need it more."""
_FIRST: Final = f"""
CREATE TABLE projects (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE traces (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, trace_id TEXT NOT NULL,
    started_ns INTEGER NOT NULL, last_started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL, summary BLOB NOT NULL,
    UNIQUE (project, trace_id)
);
CREATE INDEX traces_by_time ON traces (project, started_ns, trace_id, last_started_ns, ended_ns);

CREATE TABLE spans (id INTEGER PRIMARY KEY, {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())});
CREATE UNIQUE INDEX spans_by_name ON spans (trace, span_id);
CREATE INDEX spans_by_parent ON spans (trace, parent_id);
CREATE INDEX spans_by_time ON spans (project, started_ns);
CREATE INDEX spans_by_user ON spans (project, user, started_ns) WHERE user IS NOT NULL;
CREATE INDEX spans_by_session ON spans (project, session, started_ns) WHERE session IS NOT NULL;
CREATE INDEX spans_by_model ON spans (project, model, started_ns) WHERE model IS NOT NULL;
CREATE INDEX spans_by_prompt ON spans (project, prompt_name, started_ns) WHERE prompt_name IS NOT NULL;
CREATE INDEX spans_by_call ON spans (project, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX spans_by_failure ON spans (project, started_ns) WHERE status = 'error';

CREATE TABLE details (span INTEGER PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE contents (id INTEGER PRIMARY KEY, spoken INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE content_names (
    project INTEGER NOT NULL, hash BLOB NOT NULL, content INTEGER NOT NULL, PRIMARY KEY (project, hash)
) WITHOUT ROWID;
CREATE TABLE links (
    content INTEGER NOT NULL, span INTEGER NOT NULL, PRIMARY KEY (content, span)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', columnsize = 0, detail = none, tokenize = 'unicode61 remove_diacritics 0'
);

CREATE TABLE labels (
    project INTEGER NOT NULL, label INTEGER NOT NULL, span INTEGER NOT NULL, PRIMARY KEY (project, label, span)
) WITHOUT ROWID;

CREATE TABLE facets (
    project INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,
    count INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL, PRIMARY KEY (project, field, value)
) WITHOUT ROWID;

CREATE TABLE series (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, {", ".join(f"{name} TEXT NOT NULL" for name in SERIES)},
    UNIQUE (project, {", ".join(SERIES)})
);
CREATE TABLE rollups (
    project INTEGER NOT NULL, grain INTEGER NOT NULL, start_ns INTEGER NOT NULL, series INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in CELL_COLUMNS)},
    duration_sketch BLOB NOT NULL, first_token_sketch BLOB NOT NULL, PRIMARY KEY (project, grain, start_ns, series)
) WITHOUT ROWID;
"""
_CHORES: Final = """
CREATE TABLE chores (name TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO chores (name) VALUES ('wipe');
"""
"""What is to be done when there is time; words that older versions left behind are wiped once."""
_PLACES: Final = """
CREATE INDEX spans_by_place ON spans (trace, started_ns);
"""
"""A page of a trace's spans takes as long as the page, however many there are."""
_WORDS: Final = """
INSERT INTO words (words, rank) VALUES ('hashsize', 8388608);
INSERT INTO words (words, rank) VALUES ('crisismerge', 32);
INSERT INTO words (words, rank) VALUES ('automerge', 16);
"""
"""Words of a transaction are one segment, where a megabyte, FTS5's own bound, made several; and they are written anew
less often, when sixteen segments become one instead of four (https://www.sqlite.org/fts5.html, chapter 6)."""
_STEPS: Final = (_FIRST, _CHORES, SEALED_TABLES, NUMBER_TABLES + LEFT_BY_TRACE, _PLACES, _WORDS)
"""Each brings a file to the next version. A step that was released stays as it is."""
VERSION: Final = len(_STEPS)


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes, to a file that is brought to this version. Raises OSError, sqlite3.Error."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    log_pages = pages_of_log(disk_usage(path.parent).free)
    try:
        for setting in (
            f"busy_timeout = {_BUSY_MS}",
            # Of a file that has no tables yet; see ``shrinking``.
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {log_pages}",
            f"journal_size_limit = {2 * log_pages * _PAGE_BYTES}",
            "cache_size = -65536",
            "temp_store = MEMORY",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {setting}")
        bring_forward(connection, path, _STEPS)
    except BaseException:
        connection.close()
        raise
    return connection


def pages_of_log(free_bytes: int) -> int:
    """How many pages the write-ahead log may have before they are brought into the file."""
    return max(_LEAST_LOG_PAGES, min(free_bytes // _LOG_SHARE // _PAGE_BYTES, _MOST_LOG_PAGES))


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    for setting in (f"busy_timeout = {_BUSY_MS}", "query_only = ON", "cache_size = -32768", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {setting}")
    # The types of the library know functions of whole numbers only.
    connection.create_aggregate("joined", 1, cast("Any", Joined))
    return connection


def is_open_elsewhere(path: Path) -> bool:
    """Whether somebody has the file open, this process included. Raises OSError."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
            # The journal can be of another kind only where nobody else looks at it; the writer makes it WAL again.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return True
        raise OSError(errno.EIO, f"the trace store failed: {error}", str(path)) from error
    return False


def bring_forward(connection: sqlite3.Connection, path: Path, steps: tuple[str, ...]) -> None:
    """Run the steps that the file has not seen, each with its version or not at all."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner not in {0, _APPLICATION_ID}:
        raise OSError(errno.EINVAL, "is another program's database: name another file", str(path))
    if version > len(steps):
        raise OSError(
            errno.EINVAL,
            f"has version {version} of the trace store, this program knows {len(steps)}: use the newer one again",
            str(path),
        )
    for number, step in enumerate(steps[version:], version + 1):
        settings = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {number};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {step} {settings} COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
