"""Whether the files of a segment hold what they should: every byte of them is read."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final

from switchgear.engines.sealed_spans.parquet import Parquet, source
from switchgear.engines.sealed_spans.segment import Files

_HASH_BYTES: Final = 16


def size_of(files: Files) -> int:
    """How many bytes they take. Raises FileNotFoundError."""
    return sum(path.stat().st_size for path in (files.core, files.payload, files.words))


def fault_of(parquet: Parquet, files: Files, traces: Mapping[int, int]) -> str:
    """What is wrong with the files of a segment with so many spans of each of ``traces``; empty: nothing.

    Raises OSError where that has nothing to do with what is in them.
    """
    return _of_core(parquet, files, traces) or _of_payload(parquet, files) or _of_words(files.words)


def _of_core(parquet: Parquet, files: Files, traces: Mapping[int, int]) -> str:
    with parquet.cursor({}) as ask:
        # Of all columns, so that all of them are read.
        rows = ask(f"SELECT trace, count(*), bit_xor(hash(s)) FROM {source([files.core])} s GROUP BY trace", ())
    found = {trace: count for trace, count, _ in rows}
    wrong = sum(found.get(trace) != count for trace, count in traces.items())
    return f"{files.core.name} lacks spans of {wrong} traces, or has too many" if wrong else ""


def _of_payload(parquet: Parquet, files: Files) -> str:
    core, payload = source([files.core]), source([files.payload])
    named = f"SELECT unnest(input) AS n FROM {core} UNION SELECT unnest(output) AS n FROM {core}"
    with parquet.cursor({}) as ask:
        [(lacking,)] = ask(f"SELECT count(*) FROM ({named}) WHERE n NOT IN (SELECT number FROM {payload})", ())
        rows = ask(f"SELECT hash, data FROM {payload}", ())
    if lacking:
        return f"{files.payload.name} lacks {lacking} messages"
    wrong = sum(blake2b(data, digest_size=_HASH_BYTES).hexdigest() != digest for digest, data in rows)
    return f"{files.payload.name} has {wrong} messages that are not what they were" if wrong else ""


def _of_words(path: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            connection.execute("SELECT count(*) FROM links").fetchone()
            connection.execute("SELECT count(*) FROM words WHERE words MATCH 'a'").fetchone()
    except sqlite3.Error as error:
        told = str(error)
    return "" if told == "ok" else f"{path.name}: {told}"
