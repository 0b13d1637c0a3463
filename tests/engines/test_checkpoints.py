"""The write-ahead log is brought into the file beside the thread that writes, and begins anew while spans come."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from switchgear.engines.sqlite_spans.checkpoints import Checkpoints
from switchgear.engines.sqlite_spans.schema import connect_writer

FEW_PAGES = 100


def written(connection: sqlite3.Connection, pages: int) -> None:
    """One transaction that changes about so many pages."""
    connection.execute("BEGIN")
    data = b"x" * 4_000
    connection.executemany("INSERT INTO details (data) VALUES (?)", [(data,)] * pages)
    connection.execute("COMMIT")


def without_its_log(path: Path, folder: Path) -> int:
    """How many details the file has by itself."""
    alone = folder / "alone.db"
    shutil.copyfile(path, alone)
    with closing(sqlite3.connect(alone)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM details").fetchone()
    return int(count)


def test_a_pass_brings_what_was_written_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with closing(connect_writer(path)) as writer, closing(sqlite3.connect(path)) as other:
        checkpoints = Checkpoints(path, most_pages=10 * FEW_PAGES)
        try:
            written(writer, FEW_PAGES)
            checkpoints.step(other)
            assert without_its_log(path, tmp_path) == FEW_PAGES
            assert not checkpoints.rest_is_due
        finally:
            checkpoints.close()


def test_a_long_log_begins_anew_although_spans_came_during_the_pass(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    log = path.with_name(f"{path.name}-wal")
    with closing(connect_writer(path)) as writer, closing(sqlite3.connect(path)) as other:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        checkpoints = Checkpoints(path, most_pages=FEW_PAGES)
        try:
            written(writer, FEW_PAGES)
            checkpoints.step(other)
            assert checkpoints.rest_is_due
            written(writer, 5)
            longest_bytes = log.stat().st_size
            checkpoints.finish(writer)
            assert not checkpoints.rest_is_due
            written(writer, FEW_PAGES)
            assert log.stat().st_size == longest_bytes
        finally:
            checkpoints.close()


def test_the_thread_does_it_by_itself_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with closing(connect_writer(path)) as writer:
        checkpoints = Checkpoints(path, most_pages=FEW_PAGES)
        written(writer, FEW_PAGES)
        checkpoints.note()
        while not checkpoints.rest_is_due:
            checkpoints.note()
        checkpoints.close()
        assert without_its_log(path, tmp_path) == FEW_PAGES


def test_it_ends_at_whatever_moment_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with closing(connect_writer(path)):
        for _ in range(50):
            checkpoints = Checkpoints(path, most_pages=FEW_PAGES)
            checkpoints.note()
            checkpoints.close()


def test_a_pass_that_fails_is_no_failure_of_whoever_writes(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, and was none before" * 100)
    with closing(connect_writer(path)) as writer, closing(sqlite3.connect(broken)) as other:
        checkpoints = Checkpoints(path, most_pages=FEW_PAGES)
        try:
            written(writer, FEW_PAGES)
            checkpoints.step(other)
            checkpoints.finish(other)
            (count,) = writer.execute("SELECT count(*) FROM details").fetchone()
            assert count == FEW_PAGES
        finally:
            checkpoints.close()
