"""The tables, and how a database is brought forward.

One wide row for each span, never changed: what takes its place has a higher ``version``, and where a span moved to
another start a row that ``is_deleted`` stands at the old one. FINAL shows the rows in force.
"""

import errno
from typing import Final

from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.span_sql.columns import COLUMNS

_VERSION: Final = 1
_TYPES: Final = {
    "text": "String CODEC(ZSTD(1))",
    "integer": "Int64 CODEC(ZSTD(1))",
    "optional": "Nullable(Int64) CODEC(ZSTD(1))",
    "boolean": "Bool",
    "texts": "Array(String) CODEC(ZSTD(1))",
}
_FEW: Final = frozenset((
    "project", "kind", "status", "level", "service", "environment", "release", "operation", "provider",
    "request_model", "model", "cost_source", "finish", "tool_name", "prompt_name", "prompt_version", "prompt_label",
    "key", "route", "cache", "convention",
))  # fmt: skip
"""Columns with few different values."""
_SOUGHT: Final = ("trace_id", "user", "session", "tags", "metadata_names", "metadata_values", "words")
_PROBABILITY: Final = 0.005
"""Of a granule of 8192 rows to be read in vain."""


def _columns() -> str:
    told = (f'"{name}" {_column_type(name)}' for name in COLUMNS)
    indexes = (f'INDEX "by_{name}" "{name}" TYPE bloom_filter({_PROBABILITY})' for name in _SOUGHT)
    return ", ".join((
        *told,
        # The whole span as msgpack, which JSON cannot bring; no list touches it.
        "whole_base64 String EPHEMERAL",
        "whole String DEFAULT base64Decode(whole_base64) CODEC(ZSTD(3))",
        "version UInt64",
        "is_deleted UInt8",
        *indexes,
    ))  # fmt: skip


def _column_type(name: str) -> str:
    return "LowCardinality(String)" if name in _FEW else _TYPES[COLUMNS[name]]


# What was acknowledged survives a loss of power.
_SYNCED: Final = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
_SPANS: Final = (
    f"CREATE TABLE IF NOT EXISTS spans ({_columns()}) ENGINE = ReplacingMergeTree(version, is_deleted) "
    "PARTITION BY toYYYYMM(fromUnixTimestamp64Nano(started_ns, 'UTC')) "
    "ORDER BY (project, intDiv(started_ns, 60000000000), xxHash32(trace_id), trace_id, span_id, started_ns) "
    f"{_SYNCED}"
)
_STEPS: Final[tuple[tuple[str, ...], ...]] = ((_SPANS,),)
"""Statements that may be repeated; those of one place lead to that place's version, counted from 1."""


async def bring_forward(link: Link) -> None:
    """Make what is missing. Raises OSError, also for a database of a newer version."""
    await link.rows(
        f"CREATE TABLE IF NOT EXISTS spans_schema (version UInt32) ENGINE = MergeTree ORDER BY version {_SYNCED}"
    )
    ((version,),) = await link.rows("SELECT max(version) FROM spans_schema")
    if version > _VERSION:
        raise OSError(
            errno.EINVAL, f"the tables have version {version}, this Switchgear knows {_VERSION}: run a newer one"
        )
    for reached, statements in enumerate(_STEPS[version:], version + 1):
        for statement in statements:
            await link.rows(statement)
        await link.insert("INSERT INTO spans_schema FORMAT JSONEachRow", b'{"version": %d}' % reached)
