"""DuckDB as reader and writer of Parquet; the extra ``duckdb``."""

import errno
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from switchgear.engines.sqlite_spans.sealed_tables import BrokenSegment

_MEMORY: Final = "512MB"
_CORE_ROWS: Final = 4_096
_PAYLOAD_ROWS: Final = 2_048
_SIGNS: Final = {
    errno.ENOENT: ("No files found", "No such file"),
    errno.ENOSPC: ("No space left",),
    errno.EDQUOT: ("quota exceeded",),
    errno.EMFILE: ("Too many open files",),
    errno.EACCES: ("Permission denied",),
}
"""What an error says that has nothing to do with what is in a file."""
Rows = Sequence[Sequence[Any]]
Tables = dict[str, Mapping[str, Any]]
"""Arrays of columns, by table and column."""


class Parquet:
    """One engine in memory; each question has a connection of its own."""

    def __init__(self, spill: Path) -> None:
        config: dict[str, Any] = {"threads": 1, "memory_limit": _MEMORY, "temp_directory": str(spill)}
        self._engine = duckdb.connect(":memory:", config=config)
        # Of all connections: each question has one of its own.
        self._engine.execute("SET GLOBAL parquet_metadata_cache = true")
        # A column's type is known only when all of its objects were looked at.
        self._engine.execute("SET GLOBAL pandas_analyze_sample = 1000000")

    def close(self) -> None:
        self._engine.close()

    @contextmanager
    def cursor(self, tables: Tables) -> Generator[Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]]:
        """Asks statements, which see ``tables`` of arrays. Raises OSError."""
        with closing(self._engine.cursor()) as cursor:
            try:
                for name, columns in tables.items():
                    cursor.register(name, columns)
                yield lambda sql, bound: cursor.execute(sql, list(bound)).fetchall()
            except duckdb.Error as error:
                raise _failure(error) from error

    def write(self, path: Path, types: Mapping[str, str], rows: Rows) -> None:
        """Rows as a file of their columns. Raises OSError."""
        size = _CORE_ROWS if "trace_id" in types else _PAYLOAD_ROWS
        told = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in types.items())
        quoted = str(path).replace("'", "''")
        sql = f"COPY (SELECT {told} FROM given) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {size})"
        with self.cursor({"given": arrays(types, rows)}) as ask:
            ask(sql, ())


def _failure(error: duckdb.Error) -> OSError:
    """What DuckDB says, told as what it means."""
    told = next(iter(str(error).splitlines()), "")
    if isinstance(error, duckdb.OutOfMemoryException):
        return OSError(errno.ENOMEM, f"sealed spans cannot be read or written: {told}")
    for number, words in _SIGNS.items():
        if any(each in told for each in words):
            return OSError(number, f"sealed spans cannot be read or written: {told}")
    return BrokenSegment(f"sealed spans cannot be read or written: {told}")


def arrays(types: Mapping[str, str], rows: Rows) -> dict[str, Any]:
    """Columns of rows, as DuckDB takes them."""
    return {name: np.fromiter((row[place] for row in rows), object, len(rows)) for place, name in enumerate(types)}


def numbers(values: Sequence[int]) -> dict[str, Any]:
    """A table of one column ``i``."""
    return {"i": np.array(values, dtype=np.int64)}


def source(paths: Sequence[Path]) -> str:
    """The SQL of files as a table."""
    quoted = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{quoted}])"
