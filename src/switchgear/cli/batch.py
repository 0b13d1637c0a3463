"""``switchgear batch``: files of batches, before they are uploaded."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from switchgear.cli.output import note
from switchgear.kernel.errors import ConfigError
from switchgear.wire.batch_lines import BatchLines

_PIECE_BYTES: Final = 1024 * 1024
_MOST_TOLD: Final = 1000


def check_batch(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of a batch: JSON Lines.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the sound lines there, so that they can run.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Tell every line of a batch's file that would fail, and why; with --output, put the others into another file.

    The exit status is 1 when there is such a line.
    """
    if output is not None and output.exists() and output.samefile(file):
        raise ConfigError(f"{output} is the file that is read; write to another")
    lines = BatchLines(_MOST_TOLD)
    written = 0
    with ExitStack() as open_files:
        source = open_files.enter_context(_opened(file, "rb"))
        sink = None if output is None else open_files.enter_context(_opened(output, "wb" if force else "xb"))
        while piece := source.read(_PIECE_BYTES):
            written += _put(lines.feed(piece), sink)
        written += _put(lines.end(), sink)
    for finding in lines.findings:
        typer.echo(finding)
    if lines.found > len(lines.findings):
        typer.echo(f"and {lines.found - len(lines.findings)} more")
    note(f"{file}: {lines.lines} lines, {lines.found} would fail")
    if output is not None:
        note(f"{output}: {written} lines")
    if lines.found:
        raise typer.Exit(1)


def _put(sound: list[bytes], sink: BinaryIO | None) -> int:
    if sink is not None:
        sink.writelines(sound)
    return len(sound)


def _opened(path: Path, mode: str) -> BinaryIO:
    try:
        return path.open(mode)  # pyright: ignore[reportReturnType]
    except FileExistsError:
        raise ConfigError(f"{path} is already there; --force overwrites it") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
