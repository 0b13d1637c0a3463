"""The one table of spans that the SQL is about, and a span's row in it."""

from typing import Final, Literal

from switchgear.engines.sqlite_spans.columns import bounded
from switchgear.kernel.query import FIELDS
from switchgear.kernel.span import Span
from switchgear.kernel.span_words import text_of, words

ColumnType = Literal["text", "integer", "optional", "boolean", "texts"]
"""Only ``optional`` (an integer) may be NULL. Integers have 64 bits, ``texts`` is a list of text."""

OPTIONAL: Final = ("input_tokens", "output_tokens", "cost_nano_usd")
"""Bounded, so that their sums are numbers that engines can tell."""
COLUMNS: Final[dict[str, ColumnType]] = {
    "project": "text",
    # What follows from other columns is none.
    **{name: "optional" if name in OPTIONAL else kind for name, kind in FIELDS.items() if name != "duration_ns"},
    "status_message": "text",
    "input_preview": "text",
    "output_preview": "text",
    "tags": "texts",
    "metadata_names": "texts",
    "metadata_values": "texts",
    "words": "texts",
}
"""What a relation of spans must have, under these names; it may have more. One row is one span.

``metadata_values`` stand in the order of ``metadata_names``; ``words`` are those of :func:`words_of`.
"""

Value = str | int | bool | list[str] | None


def words_of(span: Span) -> list[str]:
    """What full text finds it by: each word once, in lower case."""
    texts = [span.name, *(text_of(part) for part in (*span.input.parts, *span.output.parts))]
    return sorted({word.lower() for text in texts for word in words(text)})


def row_of(span: Span) -> tuple[Value, ...]:
    """What stands in COLUMNS."""
    return (span.project, *(_value(span, name) for name in FIELDS if name != "duration_ns"), *_beside(span))


def _beside(span: Span) -> tuple[Value, ...]:
    previews = (span.input.preview, span.output.preview)
    metadata = (list(span.metadata), list(span.metadata.values()))
    return (span.status_message, *previews, list(span.tags), *metadata, words_of(span))


def _value(span: Span, name: str) -> Value:
    if name == "cost_nano_usd":
        return bounded(span.cost_nano_usd)
    if name not in OPTIONAL:
        value: Value = getattr(span, name)
        return value
    usage = span.usage
    if usage is None:
        return None
    return bounded(usage.total_input if name == "input_tokens" else usage.total_output)
