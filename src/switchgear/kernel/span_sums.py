"""Which spans' tokens and cost go into sums: a call that two of them tell of is paid once."""

from collections.abc import Iterable
from typing import Final

from switchgear.kernel.span import Span

MODEL_CALLS: Final = ("llm", "embedding", "rerank")


def tells_usage(span: Span) -> bool:
    """Whether it is a call of a model that says what was used."""
    return span.usage is not None and span.kind in MODEL_CALLS


def outdone(span: Span, children: Iterable[Span]) -> bool:
    """Whether a span below tells of the same call: of two such (a client's and the gateway's) the inner one counts."""
    return tells_usage(span) and any(
        tells_usage(child) and child.kind == span.kind and child.span_id != span.span_id for child in children
    )
