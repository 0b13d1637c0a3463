"""The commands and flags for docs/cli.md, as `--help` prints them (see scripts/docs.py)."""

from collections.abc import Iterator

from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from switchgear.cli import application

WIDTH = 100


def command_paths() -> Iterator[tuple[str, ...]]:
    """Every command by its words after ``switchgear``, groups after their members."""
    yield from _below(get_command(application()), ())


def help_text(path: tuple[str, ...]) -> str:
    """What ``switchgear PATH --help`` prints on a terminal 100 columns wide."""
    printed = CliRunner().invoke(
        application(), [*path, "--help"], prog_name="switchgear", terminal_width=WIDTH, max_content_width=WIDTH
    )
    return "\n".join(line.rstrip() for line in printed.output.strip().splitlines())


def command_reference() -> str:
    """A heading and the help of each command."""
    parts: list[str] = []
    for path in command_paths():
        parts += [f"## switchgear {' '.join(path)}", f"```text\n{help_text(path)}\n```"]
    return "\n\n".join(parts)


def _below(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(command, TyperGroup):
        for name, member in command.commands.items():
            yield from _below(member, (*path, name))
    else:
        yield path
