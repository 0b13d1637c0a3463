"""``switchgear database``: forward, and only forward."""

from pathlib import Path

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
