"""``switchgear traces segments``: what is sealed, whether it can be read, and that what is broken can be forgotten."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from shutil import copytree
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

pytest.importorskip("duckdb", reason="needs DuckDB, the extra 'duckdb'")

from switchgear.app.spans import open_sqlite
from switchgear.cli import application
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.query import Find, Window
from switchgear.kernel.span import Content
from switchgear.testing.trace_store_samples import sample

Answer = TypeVar("Answer")
EVERYTHING = Find(window=Window(project="p", since_ns=0, until_ns=2**62))


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that has two segments, of two projects: to be copied."""
    folder: Path = tmp_path_factory.mktemp("sealed")
    said = Content(parts=(b'"a blue whale"',), preview="a blue whale")

    async def fill(store: SqliteSpans) -> None:
        await store.write([sample(1, 1, input=said), sample(2, 2, input=said), sample(2, 3)])
        await store.write([sample(3, 4, project="q", input=said)])
        assert await store.seal(1, 1) == 4

    asked(folder, fill)
    return folder


@pytest.fixture
def config(tmp_path: Path, sealed: Path) -> Path:
    """Of a store with two segments, of two projects."""
    copytree(sealed, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "switchgear.yaml"
    path.write_text(
        f"providers: {{sim: {{kind: simulator}}}}\njournal: {{directory: {tmp_path / 'journal'}}}\n"
        f"control: {{database: {tmp_path / 'control.db'}}}\ntraces: {{path: {tmp_path / 'traces.db'}}}\n"
    )
    return path


def asked(folder: Path, ask: Callable[[SqliteSpans], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        store = await open_sqlite(folder / "traces.db")
        try:
            return await ask(store)
        finally:
            await store.aclose()

    return asyncio.run(run())


def run(config: Path, *arguments: str, typed: str = "") -> tuple[int, str]:
    command = [*arguments[:2], "--config", str(config), *arguments[2:]]
    done = CliRunner().invoke(application(), command, input=typed)
    return done.exit_code, done.output


def listed(config: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what is told of each segment."""
    status, told = run(config, "traces", "segments", "--json", *arguments)
    return status, {each["name"]: each for each in json.loads(told)}


def file_of(config: Path, suffix: str, project: str = "p") -> Path:
    (found,) = (config.parent / "traces.sealed" / project).rglob(f"*.{suffix}")
    return found


def name_of(config: Path) -> str:
    core = file_of(config, "core.parquet")
    return core.relative_to(config.parent / "traces.sealed").as_posix().removesuffix(".core.parquet")


def test_all_that_is_sealed_is_listed_with_its_state(config: Path) -> None:
    for arguments in ((), ("--check",)):
        status, found = listed(config, *arguments)
        assert (status, {each["fault"] for each in found.values()}) == (0, {""})
        told = found[name_of(config)]
        assert (told["project"], told["traces"], told["spans"]) == ("p", 2, 3)
        assert told["size_bytes"] == sum(
            file_of(config, suffix).stat().st_size for suffix in ("core.parquet", "payload.parquet", "words.db")
        )
    status, text = run(config, "traces", "segments", "--check")
    assert (status, text.count("whole")) == (0, 2)


def damage_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def lose_spans(path: Path) -> None:
    path.write_bytes(file_of(path.parents[3] / "switchgear.yaml", path.name.split(".", 1)[1], "q").read_bytes())


def lose_words(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE words")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("core.parquet", Path.unlink),
        ("core.parquet", cut),
        ("core.parquet", damage_the_middle),
        ("core.parquet", lose_spans),
        ("payload.parquet", Path.unlink),
        ("payload.parquet", cut),
        ("payload.parquet", damage_the_middle),
        ("words.db", Path.unlink),
        ("words.db", cut),
        ("words.db", lose_words),
    ],
)
def test_whatever_is_wrong_with_a_file_is_found_and_the_segment_can_be_forgotten(
    config: Path, suffix: str, damage: Callable[[Path], object]
) -> None:
    name = name_of(config)
    damage(file_of(config, suffix))
    status, found = listed(config, "--check")
    assert (status, [each for each, told in found.items() if told["fault"]]) == (1, [name])
    status, told = run(config, "traces", "segments", "--drop", name, typed="n\n")
    assert (status, "2 traces with 3 spans of project 'p'" in told) == (1, True)
    assert run(config, "traces", "segments", "--drop", name, "--yes") == (0, "Forgotten: 2 traces, 3 spans.\n")
    assert asked(config.parent, lambda store: store.find(EVERYTHING)).spans == ()
    status, found = listed(config, "--check")
    assert (status, [each["project"] for each in found.values()]) == (0, ["q"])
    assert not list((config.parent / "traces.sealed").glob("p/*/*"))


def test_that_one_was_forgotten_stands_in_the_audit_log(config: Path) -> None:
    name = name_of(config)
    file_of(config, "core.parquet").unlink()
    assert run(config, "traces", "segments", "--drop", name, "--yes")[0] == 0
    status, told = run(config, "audit", "list", "--json")
    assert status == 0, told
    assert name in told
    assert "trace_segment" in told


def test_what_is_whole_or_not_there_is_not_dropped_and_a_store_that_is_open_is_left_alone(config: Path) -> None:
    status, told = run(config, "traces", "segments", "--drop", name_of(config), "--yes")
    assert (status, "is whole" in told) == (1, True)
    status, told = run(config, "traces", "segments", "--drop", "p/2000-01-01/9", "--yes")
    assert (status, "no segment is called" in told) == (1, True)

    async def under(store: SqliteSpans) -> tuple[int, str]:
        return await asyncio.to_thread(run, config, "traces", "segments")

    status, told = asked(config.parent, under)
    assert (status, "stop the control process" in told) == (1, True)
    assert asked(config.parent, lambda store: store.find(EVERYTHING)).spans != ()
