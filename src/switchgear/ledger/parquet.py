"""Parquet by DuckDB, in bounded memory; the extra ``duckdb``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

_MEMORY: Final = "256MB"
_ABSENT: Final = "\\N"
_ROWS_AT_ONCE: Final = 100


def write_parquet(source: Path, target: Path, columns: dict[str, str]) -> None:
    """Turn comma-separated values, absent ones written as ``\\N``, into a Parquet file. Raises OSError."""
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    # COPY takes no parameter for its target; a quote in a path is doubled, as SQL has it.
    quoted = str(target).replace("'", "''")
    with duckdb.connect(":memory:", config={"memory_limit": _MEMORY, "threads": 1}) as connection:
        connection.execute("SET preserve_insertion_order = true")
        try:
            connection.execute(
                f"COPY (SELECT * FROM read_csv(?, header = true, nullstr = '{_ABSENT}', columns = {{{types}}}, "  # noqa: S608
                f"quote = '\"', escape = '\"', strict_mode = true, max_line_size = 33554432)) "
                f"TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)",
                [str(source)],
            )
        except duckdb.Error as error:
            raise OSError(f"{target} cannot be written: {error}") from error


def read_parquet(source: Path, columns: tuple[str, ...]) -> Iterator[list[tuple[str, ...]]]:
    """The rows of some columns of text, some at a time, in the file's order. Raises OSError."""
    told = ", ".join(f'"{name}"' for name in columns)
    with duckdb.connect(":memory:", config={"memory_limit": _MEMORY, "threads": 1}) as connection:
        try:
            found = connection.execute(f"SELECT {told} FROM read_parquet([?])", [str(source)])  # noqa: S608
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                yield rows
        except duckdb.Error as error:
            raise OSError(f"no Parquet of an export: {next(iter(str(error).splitlines()), '')}") from error
