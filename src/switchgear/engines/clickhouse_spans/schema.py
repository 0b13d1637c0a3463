"""The tables, and how a database is brought forward.

One wide row for each span, never changed: what takes its place has a higher ``version``, and where a span moved to
another start a row that ``is_deleted`` stands at the old one. FINAL shows the rows in force.
"""

import errno
from typing import Final

from switchgear.engines.clickhouse_spans.link import Link
from switchgear.engines.span_sql.columns import COLUMNS

_VERSION: Final = 3
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


# An index of words reads what a bloom filter only guesses at. Of a thousand traces, few granules are read in vain.
# The projection has a row for each trace, so that lists need not look at its spans. What is deleted leaves it, too.
_SOONER: Final = (
    """ALTER TABLE spans
    MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild', deduplicate_merge_projection_mode = 'rebuild'""",
    """ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS arrived UInt64 DEFAULT 0 CODEC(Delta, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS whole_bytes UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    MODIFY COLUMN words Array(String) CODEC(ZSTD(3)),
    DROP INDEX IF EXISTS by_words,
    DROP INDEX IF EXISTS by_trace_id,
    ADD INDEX IF NOT EXISTS by_word words TYPE text(tokenizer = 'array', posting_list_codec = 'bitpacking'),
    ADD INDEX IF NOT EXISTS by_trace trace_id TYPE bloom_filter(0.00001),
    ADD INDEX IF NOT EXISTS by_start started_ns TYPE minmax,
    ADD INDEX IF NOT EXISTS by_arrival arrived TYPE minmax,
    ADD INDEX IF NOT EXISTS by_version version TYPE minmax,
    ADD PROJECTION IF NOT EXISTS traces (
        SELECT project, trace_id, min(started_ns), max(started_ns) GROUP BY project, trace_id
    )""",
    """ALTER TABLE spans
    MATERIALIZE INDEX by_word, MATERIALIZE INDEX by_trace, MATERIALIZE INDEX by_start, MATERIALIZE INDEX by_version,
    MATERIALIZE PROJECTION traces""",
)
# What was acknowledged survives a loss of power.
_SYNCED: Final = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
_GRANULE: Final = 1024
"""Rows that are read where one is wanted."""
_SPANS: Final = (
    f"CREATE TABLE IF NOT EXISTS spans ({_columns()}) ENGINE = ReplacingMergeTree(version, is_deleted) "
    "PARTITION BY toYYYYMM(fromUnixTimestamp64Nano(started_ns, 'UTC')) "
    "ORDER BY (project, intDiv(started_ns, 60000000000), xxHash32(trace_id), trace_id, span_id, started_ns) "
    f"{_SYNCED}, index_granularity = {_GRANULE}"
)
_CIRCLES: Final = (
    "CREATE TABLE IF NOT EXISTS circles (project LowCardinality(String), trace_id String) "
    f"ENGINE = ReplacingMergeTree ORDER BY (project, trace_id) {_SYNCED}"
)
"""Traces in which parents of calls went in a circle when they were written; questions ask what is so now."""
_STEPS: Final[tuple[tuple[str, ...], ...]] = ((_SPANS,), _SOONER, (_CIRCLES,))
"""Statements that may be repeated; those of one place lead to that place's version, counted from 1."""


async def bring_forward(link: Link, to: int = _VERSION) -> None:
    """Make what a version lacks. Raises OSError, also for a database of a newer one than is known."""
    await link.rows(
        f"CREATE TABLE IF NOT EXISTS spans_schema (version UInt32) ENGINE = MergeTree ORDER BY version {_SYNCED}"
    )
    ((version,),) = await link.rows("SELECT max(version) FROM spans_schema")
    if version > _VERSION:
        raise OSError(
            errno.EINVAL, f"the tables have version {version}, this Switchgear knows {_VERSION}: run a newer one"
        )
    for reached, statements in enumerate(_STEPS[version:to], version + 1):
        for statement in statements:
            await link.rows(statement)
        await link.insert("INSERT INTO spans_schema FORMAT JSONEachRow", b'{"version": %d}' % reached)
