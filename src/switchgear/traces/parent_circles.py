"""Spans whose parents go in a circle: the earliest of them becomes a first span.

Left as they are, no tree would show them. What stores make of circles that a later request closes, so that their calls
are paid once all the same, is told in ``kernel/span_sums.py``.
"""

from collections.abc import Sequence

from switchgear.kernel.span import ToldSpan
from switchgear.kernel.span_sums import circles

Name = tuple[str, str]
"""Of a span: its trace's id, and its own."""


def circles_begin(told: Sequence[ToldSpan]) -> set[Name]:
    """The earliest span of each circle among spans that came together."""
    if len(told) < 2:
        return set()
    parents = {(each.trace_id, each.span_id): (each.trace_id, each.parent_id) for each in told if each.parent_id}
    found = list(circles(parents, parents.get))
    if not found:
        return set()
    starts = {(each.trace_id, each.span_id): each.started_ns for each in told}
    return {min(circle, key=lambda name: (starts[name], name)) for circle in found}
