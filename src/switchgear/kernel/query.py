"""One typed question about spans, for every engine that keeps them: lists, filters, groups, measures, time buckets.

Each engine turns a question into its own SQL; contract tests hold their answers equal. Two rules make that possible:
text is compared byte by byte (no collation), and a quantile is the value at rank ``ceil(q * n)`` of the sorted values,
never one between two of them.
"""

from typing import Final, Literal

from msgspec import Struct

FieldType = Literal["text", "integer", "boolean"]

FIELDS: Final[dict[str, FieldType]] = {
    "trace_id": "text", "span_id": "text", "parent_id": "text", "name": "text", "kind": "text",
    "started_ns": "integer", "ended_ns": "integer", "duration_ns": "integer", "status": "text", "level": "text",
    "trace_name": "text", "service": "text", "environment": "text", "release": "text", "user": "text",
    "session": "text", "operation": "text", "provider": "text", "request_model": "text", "model": "text",
    "first_token_ns": "integer", "input_tokens": "integer", "output_tokens": "integer", "counted": "boolean",
    "cost_nano_usd": "integer", "cost_source": "text", "finish": "text", "tool_name": "text",
    "prompt_name": "text", "prompt_version": "text", "prompt_label": "text", "key": "text", "route": "text",
    "call_id": "text", "cache": "text", "convention": "text",
}  # fmt: skip
"""What can be asked of a span, beside tags, metadata and full text."""

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


class Compare(Struct, frozen=True, kw_only=True, tag="compare"):
    """A field against a value of its type; a value that is absent differs from everything."""

    field: str
    op: Comparison = "=="
    value: str | int | bool


class OneOf(Struct, frozen=True, kw_only=True, tag="one_of"):
    field: str
    values: tuple[str | int, ...]


class StartsWith(Struct, frozen=True, kw_only=True, tag="starts_with"):
    field: str
    prefix: str


class Tagged(Struct, frozen=True, kw_only=True, tag="tagged"):
    """The span has the tag."""

    name: str


class Noted(Struct, frozen=True, kw_only=True, tag="noted"):
    """The span's metadata has ``value`` under ``key``."""

    key: str
    value: str


class Said(Struct, frozen=True, kw_only=True, tag="said"):
    """Every word of ``text`` (letters and digits, case ignored) is in the span's input, output or name."""

    text: str


class Every(Struct, frozen=True, kw_only=True, tag="every"):
    filters: tuple["Filter", ...]


class Either(Struct, frozen=True, kw_only=True, tag="either"):
    filters: tuple["Filter", ...]


class Not(Struct, frozen=True, kw_only=True, tag="not"):
    filter: "Filter"


Filter = Compare | OneOf | StartsWith | Tagged | Noted | Said | Every | Either | Not

Reduction = Literal["count", "sum", "min", "max", "mean", "quantile", "distinct", "errors"]
"""``count`` and ``errors`` take no field; ``quantile`` takes ``q`` between 0 and 1."""


class Measure(Struct, frozen=True, kw_only=True):
    reduction: Reduction
    field: str = ""
    q: float = 0.0


Bucket = Literal["minute", "hour", "day"]
"""Of UTC."""


class Window(Struct, frozen=True, kw_only=True):
    """The spans of one project that began from ``since_ns`` on and before ``until_ns``."""

    project: str
    since_ns: int
    until_ns: int


class Find(Struct, frozen=True, kw_only=True):
    """A page of spans or of traces, newest first (or oldest); ``after`` is the cursor that the page before gave."""

    window: Window
    where: Filter | None = None
    """Of traces: one span of it fits."""
    of: Literal["spans", "traces"] = "spans"
    newest_first: bool = True
    limit: int = 50
    after: str = ""


class Aggregate(Struct, frozen=True, kw_only=True):
    """Measures of the spans that fit, for each value of the fields in ``by`` and each bucket of time."""

    window: Window
    where: Filter | None = None
    by: tuple[str, ...] = ()
    bucket: Bucket | None = None
    measures: tuple[Measure, ...]
    limit: int = 1000
    """Groups, those with the largest first measure first; buckets of one group count once."""


class SpanRow(Struct, frozen=True, kw_only=True):
    """A span in a list: no content, no attributes."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    started_ns: int
    duration_ns: int
    status: str
    status_message: str
    model: str
    provider: str
    user: str
    session: str
    input_tokens: int | None
    output_tokens: int | None
    cost_nano_usd: int | None
    cost_source: str
    first_token_ns: int
    counted: bool
    child_count: int
    """Spans that name it as their parent."""
    input_preview: str
    output_preview: str
    tags: tuple[str, ...]


class TraceRow(Struct, frozen=True, kw_only=True):
    """A trace in a list, with the sums of its counted spans."""

    trace_id: str
    name: str
    started_ns: int
    ended_ns: int
    span_count: int
    error_count: int
    status: str
    """``error`` when its first span failed."""
    user: str
    session: str
    environment: str
    release: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    unpriced_count: int
    """Counted spans whose cost is not known: the cost is then a lower bound."""
    input_preview: str
    output_preview: str
    """Of its first span."""


class Found(Struct, frozen=True, kw_only=True):
    """A page; ``after`` is the cursor of the next one, empty on the last."""

    spans: tuple[SpanRow, ...] = ()
    traces: tuple[TraceRow, ...] = ()
    after: str = ""


class Group(Struct, frozen=True, kw_only=True):
    """One line of an aggregate: values of ``by``, the start of its bucket, and its measures in their order."""

    values: tuple[str | int | bool | None, ...]
    bucket_ns: int | None
    measures: tuple[int | float | None, ...]
    """Counts and sums are whole numbers, means are not; None: nothing to measure."""


class Doomed(Struct, frozen=True, kw_only=True):
    """What is to be deleted of a project: exactly one of the three."""

    project: str
    trace_ids: tuple[str, ...] = ()
    user: str = ""
    before_ns: int = 0
