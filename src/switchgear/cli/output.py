"""How commands speak: results on standard output, everything else on standard error."""

from collections.abc import Sequence
from typing import Final

import typer
from msgspec import json
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_ELSEWHERE: Final = 200
"""Of what is no terminal: nothing that a pipe reads is cut."""


def show_error(message: str) -> None:
    """One block on standard error; a message of several lines is indented below its first."""
    first, *more = message.split("\n")
    if more:
        problems = "\n".join(f"  {line}" for line in (first, *more))
        typer.echo(f"error: {len(more) + 1} problems\n{problems}", err=True)
    else:
        typer.echo(f"error: {first}", err=True)


def note(text: str) -> None:
    """A line for the reader, not for a pipe."""
    typer.echo(text, err=True)


def show_json(value: object) -> None:
    """Indented JSON on standard output."""
    typer.echo(json.format(json.encode(value), indent=2).decode())


def show_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; cells are plain text, whatever brackets they hold."""
    table = Table(*headings, title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_ELSEWHERE
    console.print(table)
