"""Which spans' tokens and cost go into sums: a call that two of them tell of is paid once.

Of two such spans (a client's and the gateway's) the inner one counts. Parents may go in a circle, though, and then each
would be outdone by one below it: of the calls in a circle the earliest outdoes none, as if it had no parent, so that
the one above it counts. Which spans count follows from those that are there, whatever the order in which they came.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from switchgear.kernel.span import Span

MODEL_CALLS: Final = ("llm", "embedding", "rerank")
_Name = TypeVar("_Name")


def tells_usage(span: Span) -> bool:
    """Whether it is a call of a model that says what was used."""
    return span.usage is not None and span.kind in MODEL_CALLS


def outdone(span: Span, children: Iterable[Span]) -> bool:
    """Whether a span below tells of the same call; ``children`` without those that outdo none."""
    return tells_usage(span) and any(outdoes(child, span) for child in children)


def outdoes(child: Span, parent: Span) -> bool:
    """Whether two spans, of which one is below the other, tell of one call."""
    is_other = child.span_id != parent.span_id
    return is_other and child.kind == parent.kind and tells_usage(child) and tells_usage(parent)


def outdoing_none(trace: Iterable[Span]) -> set[str]:
    """Of a trace's spans, the ids of those that are the earliest in a circle of calls."""
    spans = {span.span_id: span for span in trace}

    def above(span_id: str) -> str | None:
        parent = spans.get(spans[span_id].parent_id)
        return None if parent is None or not outdoes(spans[span_id], parent) else parent.span_id

    return {min(circle, key=lambda span_id: (spans[span_id].started_ns, span_id)) for circle in circles(spans, above)}


def circles(names: Iterable[_Name], above: Callable[[_Name], _Name | None]) -> Iterator[list[_Name]]:
    """Each circle that the ways upwards from some names lead into, once; ``above`` is asked once for each name."""
    known: set[_Name] = set()
    for start in names:
        way: dict[_Name, None] = {}
        name: _Name | None = start
        while name is not None and name not in known:
            if name in way:
                seen = list(way)
                yield seen[seen.index(name) :]
                break
            way[name] = None
            name = above(name)
        known.update(way)
