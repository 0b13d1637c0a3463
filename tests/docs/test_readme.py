"""The README keeps its word: its snippets and the curl of `serve` run against a live server, its commands exist."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from switchgear.cli import application
from tests.e2e.live import SOURCES, LiveServer

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMISED_ADDRESS = "http://localhost:4000"
SECONDS = 50
PROGRAM = ".venv/bin/switchgear"
ASSIGNMENT = re.compile(r"[A-Z_]+=")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server started in an empty folder and an empty environment, as by somebody who just cloned the project."""
    with LiveServer(tmp_path_factory.mktemp("readme"), config=None) as server:
        yield server


def example(name: str) -> str:
    """The Python block behind ``<!-- example: name -->``."""
    blocks = re.findall(rf"<!-- example: {name} -->\n```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return blocks[0]


def run(command: Sequence[str], folder: Path, typed: str = "") -> str:
    """What ``command`` prints; it must succeed, and print no warning. No variable of this environment reaches it."""
    finished = subprocess.run(
        command,
        cwd=folder,
        env={"HOME": str(folder)},
        input=typed,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_the_snippet_prints_the_streamed_answer(name: str, live: LiveServer, tmp_path: Path) -> None:
    program = example(name)
    assert program.count(PROMISED_ADDRESS) == 1
    printed = run([sys.executable, "-c", program.replace(PROMISED_ADDRESS, live.url)], tmp_path)
    assert printed == "Say hello."


def test_the_curl_that_serve_prints_answers_as_it_stands(live: LiveServer, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    pasted = live.banner.partition("Try it:")[2].strip()
    assert pasted.startswith("curl ")
    answer = json.loads(run(["/bin/sh", "-c", pasted], tmp_path))
    assert answer["choices"][0]["message"]["content"] == "Hello!"


def told_lines() -> list[str]:
    """The lines of the README's console blocks, without their continuations."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    text = "".join(blocks).replace("\\\n", " ")
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def console_lines() -> list[list[str]]:
    """Their commands, as words; comments are no words, and neither is what is assigned for the command."""
    return [list(dropwhile(ASSIGNMENT.match, shlex.split(line, comments=True))) for line in told_lines()]


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    named = {words[1] for words in console_lines() if words[0] == "make"}
    named |= set(re.findall(r"`make ([a-z-]+)", README))
    assert named >= {"run", "test", "real-model"}
    assert named <= targets


def test_every_switchgear_command_of_the_readme_exists_with_its_flags() -> None:
    commands = get_command(application())
    assert isinstance(commands, TyperGroup)
    used = [words[1:] for words in console_lines() if words[0].endswith("/switchgear")]
    assert len(used) >= 5
    for name, *arguments in used:
        known = {flag for parameter in commands.commands[name].params for flag in parameter.opts}
        assert {word for word in arguments if word.startswith("-")} <= known, name


def test_from_init_to_an_answer_the_commands_work_as_they_stand(tmp_path: Path) -> None:
    lines = {words[1]: line for line, words in zip(told_lines(), console_lines(), strict=True) if PROGRAM in words}
    assert list(lines) == ["init", "check", "serve", "routes", "tail", "chat"]
    program = tmp_path / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={SOURCES} exec {sys.executable} -m switchgear "$@"\n')
    program.chmod(0o755)

    def shell(line: str, typed: str = "") -> str:
        return run(["/bin/sh", "-c", line], tmp_path, typed)

    key = shell(lines["init"]).strip()
    assert "good" in shell(lines["check"])
    with LiveServer(tmp_path, config=None, program=(str(program),)) as server:
        # The file says 4000, as the README does, where somebody else may listen.
        file = tmp_path / "switchgear.yaml"
        file.write_text(file.read_text().replace("port: 4000", f"port: {urlsplit(server.url).port}"))
        assert "sim/echo" in shell(lines["routes"])
        assert shell(lines["chat"].replace("THE-KEY-ABOVE", key), typed="Say hello.") == "Say hello.\n"
