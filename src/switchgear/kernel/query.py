"""One typed question about spans, for every engine that keeps them: lists, filters, groups, measures, time buckets.

Each engine turns a question into its own SQL; contract tests hold their answers equal. These rules make that possible:

- Text is compared byte by byte (no collation); a quantile is the value at rank ``ceil(q * n)`` of the sorted values,
  never one between two of them.
- Tokens and cost are measured on spans that count (``kernel/span_sums.py``), a first token where one was told; filters
  and groups look at every span's own values.
- Lists are sorted by start, then trace, then span. Groups stand in the order of their first measure, largest first,
  None last, then of their values as text; buckets of a group in the order of time. A question without ``by`` and
  ``bucket`` has one line, even of nothing.
"""

from typing import Final, Literal, TypeVar

from msgspec import Struct

from switchgear.kernel.errors import BadRequest

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
    approximate: bool = False
    """Of a quantile: one within 1 % of it will do, which an engine may know without looking at each span."""


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


MOST_PARTS: Final = 100
MOST_NESTING: Final = 8
MOST_ROWS: Final = 10_000
MOST_INTEGER: Final = 2**63 - 1
_TYPES: Final[dict[FieldType, type]] = {"text": str, "integer": int, "boolean": bool}
_MOMENTS: Final = ("started_ns", "ended_ns")
_WITHOUT_FIELD: Final = ("count", "errors")

Question = TypeVar("Question", Find, Aggregate)


def checked(question: Question) -> Question:
    """The question as it is. Raises BadRequest where it cannot be asked, naming the part."""
    _check_window(question.window)
    if not 1 <= question.limit <= MOST_ROWS:
        raise BadRequest(f"limit is {question.limit}: it must be from 1 to {MOST_ROWS}", param="limit")
    parts = 0 if question.where is None else _count_parts(question.where, 1)
    if isinstance(question, Aggregate):
        parts += len(question.by) + len(question.measures)
        _check_aggregate(question)
    if parts > MOST_PARTS:
        raise BadRequest(f"the question has {parts} parts, at most {MOST_PARTS}: ask several", param="where")
    return question


def _check_window(window: Window) -> None:
    for name, value in (("since_ns", window.since_ns), ("until_ns", window.until_ns)):
        if not -MOST_INTEGER <= value <= MOST_INTEGER:
            raise BadRequest(f"{name} is not a time in nanoseconds", param=name)


def _check_aggregate(question: Aggregate) -> None:
    for name in question.by:
        _type_of(name)
    if not question.measures:
        raise BadRequest("the question has no measure: add one, such as count", param="measures")
    for measure in question.measures:
        _check_measure(measure)


def _check_measure(measure: Measure) -> None:
    if not 0 <= measure.q <= 1:
        raise BadRequest(f"q is {measure.q}: a quantile is from 0 to 1", param="q")
    if measure.reduction in _WITHOUT_FIELD:
        if measure.field:
            raise BadRequest(f"{measure.reduction} takes no field", param="field")
        return
    kind = _type_of(measure.field)
    if measure.reduction == "distinct":
        return
    if kind != "integer":
        raise BadRequest(f"{measure.field} is no number: {measure.reduction} needs one", param=measure.field)
    if measure.reduction in {"sum", "mean"} and measure.field in _MOMENTS:
        raise BadRequest(f"{measure.reduction} of {measure.field}: moments cannot be added", param=measure.field)


def _count_parts(where: Filter, depth: int) -> int:
    """How many filters and values there are; each is checked."""
    if depth > MOST_NESTING:
        raise BadRequest(f"filters stand in each other more than {MOST_NESTING} deep", param="where")
    match where:
        case Every() | Either():
            return 1 + sum(_count_parts(each, depth + 1) for each in where.filters)
        case Not():
            return 1 + _count_parts(where.filter, depth + 1)
        case OneOf():
            for value in where.values:
                _check_value(where.field, value)
            _type_of(where.field)
            return 1 + len(where.values)
        case Compare():
            _check_value(where.field, where.value)
        case StartsWith():
            if _type_of(where.field) != "text":
                raise BadRequest(f"{where.field} is no text: it starts with nothing", param=where.field)
        case Tagged() | Noted() | Said():
            pass
    return 1


def _check_value(field: str, value: str | int) -> None:
    wanted = _TYPES[_type_of(field)]
    if type(value) is not wanted:
        raise BadRequest(f"{field} is compared with {value!r}: it needs a value of type {wanted.__name__}", param=field)
    if isinstance(value, int) and not -MOST_INTEGER <= value <= MOST_INTEGER:
        raise BadRequest(f"{field} is compared with {value}: numbers have 64 bits", param=field)


def _type_of(field: str) -> FieldType:
    kind = FIELDS.get(field)
    if kind is None:
        raise BadRequest(f"spans have no field {field!r}: there are {', '.join(FIELDS)}", param=field[:100])
    return kind
