"""`switchgear tail` on a real journal: calls as they end, a clean end in every way."""

import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import json, structs
from typer.testing import CliRunner

from switchgear.cli import application
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.record import CallRecord
from switchgear.traces.journal import JournalSettings, JournalWriter


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalWriter]:
    writer = JournalWriter(JournalSettings(directory=tmp_path / "journal"), "g0", FrozenClock())
    yield writer
    writer.close()


def call(number: int) -> CallRecord:
    return CallRecord(id=f"{number:032x}", started_ns=1, door="openai", operation="chat", model=f"model-{number}")


@contextmanager
def tail(folder: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-c",
        "from switchgear.cli import main; main()",
        "tail",
        "--journal",
        "journal",
        *arguments,
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def rest_of_errors(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def test_calls_are_printed_as_they_end_until_interrupted(tmp_path: Path, journal: JournalWriter) -> None:
    journal.append(call(1))
    with tail(tmp_path, "--from-start") as process:
        assert "model-1" in next_line(process)
        journal.append(call(2))
        assert "model-2" in next_line(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert rest_of_errors(process) == ""


def test_each_call_is_one_line_of_json_for_programs(tmp_path: Path, journal: JournalWriter) -> None:
    journal.append(call(7))
    with tail(tmp_path, "--from-start", "--json") as process:
        assert json.decode(next_line(process), type=CallRecord) == call(7)


def test_what_the_caller_said_is_in_the_line_for_programs(tmp_path: Path, journal: JournalWriter) -> None:
    labels = {"user": "ada", "session": "s", "tags": ["a"], "metadata": {"team": "x"}}
    journal.append(structs.replace(call(7), **{**labels, "tags": ("a",)}))
    with tail(tmp_path, "--from-start", "--json") as process:
        assert json.decode(next_line(process), type=dict[str, object]).items() >= labels.items()


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path, journal: JournalWriter) -> None:
    journal.append(call(1))
    with tail(tmp_path, "--from-start") as process:
        next_line(process)
        assert process.stdout is not None
        process.stdout.close()
        journal.append(call(2))
        assert process.wait(timeout=20) == 0
        assert rest_of_errors(process) == ""


def test_a_folder_that_is_not_there_is_told() -> None:
    done = CliRunner().invoke(application(), ["tail", "--journal", "nowhere-at-all"])
    assert (done.exit_code, done.stderr) == (1, "error: nowhere-at-all is no journal: there is no such folder\n")
