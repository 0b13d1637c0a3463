"""The tables of files and batches, on SQLite and Postgres alike.

A file is its lines, and what a batch has answered is its lines too: progress, the files of results and what is still to
be done are all read from the same rows, so they cannot disagree after a crash.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text

METADATA: Final = MetaData()
MOMENTS: Final = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
"""States of which the time is kept at which a batch came into them."""


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


FILES: Final = Table(
    "batch_files",
    METADATA,
    Column("id", Text, primary_key=True),
    *map(_text, ("scope", "purpose", "filename", "state", "kind", "batch")),
    *map(_number, ("bytes", "lines", "created_ns", "expires_ns")),
    Index("batch_files_scope", "scope", "id"),
    Index("batch_files_expires", "expires_ns"),
)
"""``kind``: ``upload``; ``requests`` of a batch that came without a file; ``output`` or ``error`` of ``batch``.

``state``: ``arriving`` while it is uploaded, then ``ready``.
"""

FILE_LINES: Final = Table(
    "batch_file_lines",
    METADATA,
    _text("file"),
    Column("number", Integer, nullable=False, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("file", "number"),
)
"""What was uploaded, byte for byte, line ends included; numbered from 1."""

BATCHES: Final = Table(
    "batches",
    METADATA,
    Column("id", Text, primary_key=True),
    *map(_text, ("scope", "key", "door", "endpoint", "completion_window", "status", "metadata", "errors")),
    *map(_text, ("input_file", "output_file", "error_file", "owner")),
    *map(_number, ("created_ns", "expires_ns", "lease_until_ns", "results_keep_seconds")),
    *(Column(f"{moment}_ns", BigInteger) for moment in MOMENTS),
    *map(_number, ("total", "succeeded", "errored", "unfinished")),
    Index("batches_scope", "scope", "id"),
    Index("batches_status", "status"),
)
"""``unfinished``: lines that were given up because the batch expired or was cancelled."""

LINES: Final = Table(
    "batch_lines",
    METADATA,
    _text("batch"),
    Column("number", Integer, nullable=False, autoincrement=False),
    *map(_text, ("custom_id", "state")),
    Column("status", Integer, nullable=False),
    _text("request_id"),
    Column("response", LargeBinary),
    PrimaryKeyConstraint("batch", "number"),
    Index("batch_lines_state", "batch", "state", "number"),
)
"""``state``: ``waiting``, then once and for all ``succeeded``, ``errored``, ``expired`` or ``cancelled``.

``number`` is that of the line in the file of requests; ``response`` is JSON without line ends.
"""
