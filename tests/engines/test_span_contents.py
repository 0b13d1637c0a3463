"""Parts of spans are kept once, and named when they are met again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from switchgear.engines.sqlite_spans.contents import Contents
from switchgear.engines.sqlite_spans.schema import connect_writer

PART = b'"how do I return a lamp?"'


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(tmp_path / "traces.db")) as opened:
        yield opened


def rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def told(contents: Contents, part: bytes = PART, *, project: int = 1) -> int:
    """The number of a part that is told in a transaction of its own."""
    contents.foresee(project, [part, part])
    numbers = {contents.keep(project, part), contents.keep(project, part)}
    contents.write()
    (number,) = numbers
    return number


def once(contents: Contents, part: bytes) -> int:
    contents.foresee(1, [part])
    number = contents.keep(1, part)
    contents.write()
    return number


def test_what_was_said_once_has_no_name(connection: sqlite3.Connection) -> None:
    contents = Contents(connection)
    for number in range(5):
        once(contents, b"%d" % number)
    assert (rows(connection, "contents"), rows(connection, "content_names")) == (5, 0)


def test_what_is_said_again_is_kept_once_and_named(connection: sqlite3.Connection) -> None:
    contents = Contents(connection)
    assert once(contents, PART) == once(contents, PART) == once(contents, PART)
    assert (rows(connection, "contents"), rows(connection, "content_names")) == (1, 1)


def test_a_name_is_found_by_a_store_that_was_opened_anew(connection: sqlite3.Connection) -> None:
    number = told(Contents(connection))
    assert once(Contents(connection), PART) == number
    unforeseen = Contents(connection)
    assert unforeseen.keep(1, PART) == number


def test_what_comes_again_after_it_was_forgotten_is_kept_a_second_time_and_never_a_third(
    connection: sqlite3.Connection,
) -> None:
    contents = Contents(connection)
    first = once(contents, PART)
    contents.forget()
    second = once(contents, PART)
    for _ in range(3):
        contents.forget()
        assert once(contents, PART) == second
    assert second != first
    assert rows(connection, "contents") == 2


def test_a_copy_that_is_dropped_leaves_the_name_to_the_other(connection: sqlite3.Connection) -> None:
    contents = Contents(connection)
    first = once(contents, PART)
    contents.forget()
    second = once(contents, PART)
    connection.execute("INSERT INTO links (content, span) VALUES (?, 1)", (second,))
    contents.drop_unused(1, [first, second])
    assert connection.execute("SELECT content FROM content_names").fetchall() == [(second,)]
    connection.execute("DELETE FROM links")
    contents.drop_unused(1, [second])
    assert (rows(connection, "contents"), rows(connection, "content_names")) == (0, 0)


def test_projects_share_nothing(connection: sqlite3.Connection) -> None:
    contents = Contents(connection)
    assert told(contents, project=1) != told(contents, project=2)


def test_many_new_parts_are_looked_for_together(connection: sqlite3.Connection) -> None:
    parts = [b"%d" % number for number in range(1_300)]
    contents = Contents(connection)
    contents.foresee(1, parts * 2)
    numbers = [contents.keep(1, part) for part in parts]
    assert numbers == [contents.keep(1, part) for part in parts]
    contents.write()
    anew = Contents(connection)
    anew.foresee(1, parts)
    assert [anew.keep(1, part) for part in parts] == numbers
