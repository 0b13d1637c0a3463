"""Rows and statements as files: CSV for spreadsheets, JSON lines for programs, Parquet for both and for what is large.

All are written in pieces as they are read, so that the size of an export is bounded by the disk alone.
"""

import csv
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Final, Literal, Protocol, get_type_hints

from msgspec import Struct, json

from switchgear.kernel.errors import ConfigError

Format = Literal["csv", "jsonl", "parquet"]
Pieces = AsyncIterator[Sequence[Struct]]
Write = Callable[[bytes], object]

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula; callers choose names, and people open the file."""


class ParquetWriter(Protocol):
    """Turns a file of comma-separated values into one of Parquet."""

    def __call__(self, source: Path, target: Path, columns: dict[str, str]) -> None:
        """``columns`` are SQL types by name. Raises OSError."""
        ...


async def write_csv(kind: type[Struct], pieces: Pieces, write: Write) -> int:
    """Write a head and a line for each of ``pieces``; how many these are.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    return await _write_csv(kind, pieces, write, _for_people)


async def write_jsonl(pieces: Pieces, write: Write) -> int:
    """Write one object to a line; how many these are."""
    count = 0
    async for piece in pieces:
        write(b"".join(json.encode(one) + b"\n" for one in piece))
        count += len(piece)
    return count


async def write_parquet(kind: type[Struct], pieces: Pieces, target: Path) -> int:
    """Write a Parquet file, zstd-compressed, by way of a temporary file beside it; how many rows it has.

    Raises ConfigError when DuckDB is not installed.
    """
    write: ParquetWriter
    try:
        # By name, because the library is an extra.
        write = import_module("switchgear.ledger.parquet").write_parquet
    except ImportError as error:
        raise ConfigError("Parquet needs DuckDB, which is not installed; pip install 'switchgear[duckdb]'") from error
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        source = Path(folder) / "rows.csv"
        with source.open("wb") as file:
            count = await _write_csv(kind, pieces, file.write, _as_it_is)
        write(source, target, columns_of(kind))
    return count


def columns_of(kind: type[Struct]) -> dict[str, str]:
    """SQL types of a struct's fields, by name."""
    hints = get_type_hints(kind)
    return {name: "BIGINT" if hints[name] in {int, int | None} else "VARCHAR" for name in kind.__struct_fields__}


async def _write_csv(kind: type[Struct], pieces: Pieces, write: Write, cell: Callable[[object], object]) -> int:
    names = kind.__struct_fields__
    write(_lines([names]))
    count = 0
    async for piece in pieces:
        write(_lines([[cell(getattr(one, name)) for name in names] for one in piece]))
        count += len(piece)
    return count


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()


def _as_it_is(value: object) -> object:
    # DuckDB tells what is absent from an empty text by its quotes, which Python's writer leaves out.
    return _ABSENT if value is None else value


def _for_people(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


_ABSENT: Final = "\\N"
