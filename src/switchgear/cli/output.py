"""How commands speak: results on standard output, everything else on standard error."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import typer
from msgspec import Struct, json
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


class Cell(Struct, frozen=True):
    """A cell of a table, and how a terminal shows it."""

    text: str
    style: str = ""


class Grid(Struct, frozen=True, kw_only=True):
    """A table among lines of text."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]


Block = str | Grid
"""A line, or a table."""


def show_blocks(blocks: Iterable[Block]) -> None:
    """Tables and colours for a terminal; for a pipe, columns of plain text."""
    if sys.stdout.isatty():
        draw(blocks, Console(highlight=False))
        return
    for line in plain(blocks):
        typer.echo(line)


def plain(blocks: Iterable[Block]) -> Iterator[str]:
    """The blocks as lines; tables as indented columns."""
    for block in blocks:
        if isinstance(block, str):
            yield block
            continue
        rows = [block.headings, *([_text(cell) for cell in row] for row in block.rows)]
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def draw(blocks: Iterable[Block], console: Console) -> None:
    """The blocks on a terminal; all text is plain, whatever brackets it holds."""
    for drawn in blocks_drawn(blocks):
        console.print(drawn)


def blocks_drawn(blocks: Iterable[Block]) -> Iterator[Text | Table]:
    """The blocks as a terminal shows them."""
    for block in blocks:
        if isinstance(block, str):
            yield Text(block)
            continue
        table = Table(*block.headings, box=SIMPLE, pad_edge=False)
        for row in block.rows:
            table.add_row(*(Text(_text(cell), style="" if isinstance(cell, str) else cell.style) for cell in row))
        yield table


def _text(cell: str | Cell) -> str:
    return cell if isinstance(cell, str) else cell.text
