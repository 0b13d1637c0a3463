"""How a span stands in its row: texts that are empty are NULL, so that an index need not hold them."""

from typing import Final

from msgspec import json

from switchgear.kernel.span import Span

TEXTS: Final = (
    "level", "trace_name", "service", "environment", "release", "user", "session", "operation", "provider",
    "request_model", "model", "cost_source", "price", "finish", "tool_name", "tool_call_id", "prompt_name",
    "prompt_version", "prompt_label", "key", "route", "call_id", "cache", "scope", "convention", "status_message",
)  # fmt: skip
"""Fields that may be empty; they have the names they have on a span."""
COLUMNS: Final = {
    "project": "INTEGER NOT NULL",
    "trace": "INTEGER NOT NULL",
    "span_id": "TEXT NOT NULL",
    "parent_id": "TEXT NOT NULL",
    "name": "TEXT NOT NULL",
    "kind": "TEXT NOT NULL",
    "status": "TEXT NOT NULL",
    "started_ns": "INTEGER NOT NULL",
    "ended_ns": "INTEGER NOT NULL",
    "first_token_ns": "INTEGER",
    "input_tokens": "INTEGER",
    "output_tokens": "INTEGER",
    "cost_nano_usd": "INTEGER",
    "counted": "INTEGER NOT NULL",
    "counts": "INTEGER NOT NULL",
    **dict.fromkeys(TEXTS, "TEXT"),
    "tags": "TEXT",
    "input_preview": "TEXT",
    "output_preview": "TEXT",
}
"""Of table ``spans``, without its id. ``counted`` is the sender's word, ``counts`` ours: whether sums have it."""

INSERT: Final = f"INSERT INTO spans (id, {', '.join(COLUMNS)}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"
MOST_NUMBER: Final = 2**53
"""More tokens or nano-dollars than this on one span are a mistake, and would make sums overflow."""

Value = str | int | bytes | None


def bounded(number: int | None) -> int | None:
    """The number, no further from nought than sums can bear."""
    if number is None or -MOST_NUMBER <= number <= MOST_NUMBER:
        return number
    return MOST_NUMBER if number > 0 else -MOST_NUMBER


def row_of(span: Span, project: int, trace: int, *, counts: bool) -> tuple[Value, ...]:
    """What stands in COLUMNS."""
    usage = span.usage
    return (
        project,
        trace,
        span.span_id,
        span.parent_id,
        span.name,
        span.kind,
        span.status,
        span.started_ns,
        span.ended_ns,
        span.first_token_ns or None,
        None if usage is None else bounded(usage.total_input),
        None if usage is None else bounded(usage.total_output),
        bounded(span.cost_nano_usd),
        span.counted,
        counts,
        span.level or None,
        span.trace_name or None,
        span.service or None,
        span.environment or None,
        span.release or None,
        span.user or None,
        span.session or None,
        span.operation or None,
        span.provider or None,
        span.request_model or None,
        span.model or None,
        span.cost_source or None,
        span.price or None,
        span.finish or None,
        span.tool_name or None,
        span.tool_call_id or None,
        span.prompt_name or None,
        span.prompt_version or None,
        span.prompt_label or None,
        span.key or None,
        span.route or None,
        span.call_id or None,
        span.cache or None,
        span.scope or None,
        span.convention or None,
        span.status_message or None,
        json.encode(span.tags).decode() if span.tags else None,
        span.input.preview or None,
        span.output.preview or None,
    )
