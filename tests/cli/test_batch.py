"""``switchgear batch check``: bad lines are told by number, and the others can be put where they can run."""

from pathlib import Path

from typer.testing import CliRunner

from switchgear.cli import application
from tests.wire.test_batch_lines import FILE, FINDINGS, line


def run(*arguments: str | Path) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(application(), ["batch", "check", *map(str, arguments)])
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_each_bad_line_is_told_and_the_status_says_so(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_bytes(FILE)
    status, told, notes = run(file)
    assert (status, told) == (1, FINDINGS)
    assert "14 lines, 11 would fail" in notes


def test_a_good_file_is_silent(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_bytes(line("a") + line("b"))
    status, told, notes = run(file)
    assert (status, told) == (0, [])
    assert "2 lines, 0 would fail" in notes


def test_the_sound_lines_are_written_where_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    file, good = tmp_path / "requests.jsonl", tmp_path / "good.jsonl"
    file.write_bytes(FILE)
    assert run(file, "--output", good)[0] == 1
    assert good.read_bytes() == line("a") + line("c") + line("i", extra=[1]).rstrip()
    assert run(good)[0] == 0
    status, _, notes = run(file, "--output", good)
    assert status == 1
    assert "already there" in notes
    assert run(file, "--output", good, "--force")[0] == 1
    assert run(file, "--output", file, "--force")[0] == 1
    assert file.read_bytes() == FILE


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    status, _, notes = run(tmp_path / "none.jsonl")
    assert status == 1
    assert "No such file" in notes
