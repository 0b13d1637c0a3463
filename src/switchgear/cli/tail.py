"""``switchgear tail``: calls as they end, read from the journal."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from msgspec import json

from switchgear.cli.settings import ConfigOption, glanced_config
from switchgear.config import read_environment
from switchgear.kernel.errors import ConfigError
from switchgear.traces.tail import follow, format_line


def tail(
    config: ConfigOption = None,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Journal folder. Default: the configuration's.", show_default=False),
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest call that is kept.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each call as one line of JSON.")] = False,
) -> None:
    """Print each call as it ends, until Ctrl-C."""
    directory = journal or Path(glanced_config(config, read_environment()).journal.directory)
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no journal: there is no such folder")
    try:
        with interrupted() as ended:
            for record in follow(directory, from_start, ended):
                sys.stdout.write(f"{json.encode(record).decode() if as_json else format_line(record)}\n")
                sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        # The reader went away, which ends the command well; what Python flushes at exit must go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def interrupted() -> Generator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed within the block: an exception may come where Python swallows it, a note cannot.

    Pressed again it interrupts as it always does, whatever is waited for.
    """
    pressed: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
