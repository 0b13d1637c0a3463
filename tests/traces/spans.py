"""Spans for tests, as senders tell them and as stores keep them."""

from collections.abc import Callable, Sequence

from msgspec import structs

from switchgear.kernel.span import Span, ToldSpan
from switchgear.traces.intake import Origin
from tests.memory_spans import MemorySpans

NOW_NS = 1_700_000_000_000_000_000
"""The frozen clock's."""
SECOND_NS = 1_000_000_000
ORIGIN = Origin(project="shop", door="otlp")


def told(span: int = 1, trace: int = 1, /, **changes: object) -> ToldSpan:
    """A span that nothing is wrong with, changed."""
    plain = ToldSpan(
        trace_id=f"{trace:032x}",
        span_id=f"{span:016x}",
        name="chat",
        started_ns=NOW_NS - SECOND_NS,
        ended_ns=NOW_NS,
    )
    return structs.replace(plain, **changes)


def kept(span: int = 1, trace: int = 1, /, **changes: object) -> Span:
    """The same as a store keeps it."""
    plain = Span(
        project="shop",
        trace_id=f"{trace:032x}",
        span_id=f"{span:016x}",
        name="chat",
        started_ns=NOW_NS - SECOND_NS,
        ended_ns=NOW_NS,
    )
    return structs.replace(plain, **changes)


class ToldStore(MemorySpans):
    """A store that tells of its writes, and does before each what a test wants."""

    def __init__(self, before: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.writes: list[list[str]] = []
        self.before = before

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        self.writes.append([span.span_id for span in spans])
        if self.before is not None:
            waited = self.before()
            if hasattr(waited, "__await__"):
                await waited  # pyright: ignore[reportGeneralTypeIssues]
        return await super().write(spans, replace=replace)
