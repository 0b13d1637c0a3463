"""``switchgear database``: forward, and only forward."""

import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copy

import pytest
from typer.testing import CliRunner

from switchgear.app.migrations import newest
from switchgear.cli import application

PROVIDERS = "providers: {sim: {kind: simulator}}\n"


def run(*arguments: str) -> tuple[int, str, str]:
    finished = CliRunner().invoke(application(), ["database", *arguments])
    return finished.exit_code, finished.stdout, finished.stderr


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "switchgear.yaml"
    path.write_text(f"{PROVIDERS}control: {{database: {tmp_path / 'control.db'}}}\n")
    return str(path)


def test_an_empty_database_is_brought_forward(config: str) -> None:
    assert run("current", "-c", config)[:2] == (1, "none\n")
    status, applied, said = run("upgrade", "-c", config)
    assert (status, applied.splitlines()[-1]) == (0, newest())
    assert newest() in said
    assert run("current", "-c", config)[:2] == (0, f"{newest()}\n")
    assert run("upgrade", "-c", config)[:2] == (0, "")


ASKING = [
    "audit list",
    "audit verify",
    "batch cancel x",
    "batch list",
    "batch show x",
    "database current",
    "database upgrade",
    "keys create x",
    "keys list",
    "keys revoke x",
    "ledger list",
    "ledger reconcile",
    "ledger rerate --from 2026-01-01 --to 2026-01-02",
    "ledger statement",
    "limits delete x",
    "limits history x",
    "models delete x",
    "models history x",
    "models promote x",
    "models retire x",
    "prices delete x",
    "prices history x",
    "secrets delete x",
    "secrets list",
    "users create x",
]
"""Every kind of command that asks the control database."""


@pytest.mark.parametrize("command", ASKING)
def test_a_database_of_a_newer_program_is_refused_by_every_command_and_left_as_it_is(
    config: str, migrated_file: Path, command: str
) -> None:
    place = Path(config).with_name("control.db")
    copy(migrated_file, place)
    with closing(sqlite3.connect(place)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = place.read_bytes()
    finished = CliRunner().invoke(application(), [*command.split(), "-c", config], input="a good password\n")
    assert finished.exit_code == 1
    assert "is at revision '9999', which this Switchgear does not know" in finished.stderr
    assert "Run that version" in finished.stderr
    assert place.read_bytes() == before


@pytest.mark.parametrize("command", ["audit verify", "batch list", "database current", "ledger list"])
def test_who_only_looks_brings_no_database_forward_and_says_what_does(config: str, command: str) -> None:
    finished = CliRunner().invoke(application(), [*command.split(), "-c", config])
    assert finished.exit_code == 1
    assert "`switchgear database upgrade`" in finished.stderr
    assert run("current", "-c", config)[1] == "none\n"


@pytest.mark.parametrize("place", ["mysql://root@localhost/x", "https://example.com/control.db"])
def test_a_place_that_is_no_database_is_refused_in_its_line_and_not_repeated(tmp_path: Path, place: str) -> None:
    path = tmp_path / "switchgear.yaml"
    path.write_text(f"{PROVIDERS}control:\n  database: {place}\n")
    status, _, said = run("current", "-c", str(path))
    assert status == 1
    assert "switchgear.yaml:3:" in said
    assert "is neither the path of a file nor 'postgresql://" in said
    assert "root@" not in said


def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    path = tmp_path / "switchgear.yaml"
    path.write_text(PROVIDERS + "control: {database: 'postgresql://me:hunter22@127.0.0.1:9/x'}\n")
    status, _, said = run("current", "-c", str(path))
    assert status == 1
    assert "cannot be reached" in said
    assert "hunter22" not in said
