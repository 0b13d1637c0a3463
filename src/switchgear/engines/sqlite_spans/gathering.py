"""Spans as they come, put together into traces of one project's day: as many at a time as make a segment."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

from switchgear.engines.sqlite_spans.making import DAY_NS, MOST_BYTES, MOST_SPANS, size_bytes
from switchgear.engines.sqlite_spans.writing import Name
from switchgear.kernel.span import Span

Trace = dict[str, Span]
"""By span id."""
_STILL_COMING: Final = 0.1
"""So much of a segment waits for the next one, of what came last: its traces may have more."""
_MOST_WAITING: Final = 4
"""Segments' spans in memory, of all projects and days."""


class _Home:
    """Traces of one project's day; those that had a span last are the last."""

    def __init__(self, most_spans: int) -> None:
        self.spans = 0
        self._most_spans = most_spans
        self.traces: OrderedDict[Name, Trace] = OrderedDict()
        self._size_bytes = 0

    def add(self, name: Name, span: Span) -> None:
        """The first of an id stays."""
        trace = self.traces.setdefault(name, {})
        self.traces.move_to_end(name)
        if span.span_id not in trace:
            trace[span.span_id] = span
            self.spans += 1
            self._size_bytes += size_bytes(span)

    @property
    def is_full(self) -> bool:
        """Whether it is more than one segment takes."""
        return self.spans >= self._most_spans * (1 + _STILL_COMING) or self._size_bytes >= 2 * MOST_BYTES

    def take(self) -> dict[Name, Trace]:
        """A segment's traces, or a single one that is larger."""
        taken: dict[Name, Trace] = {}
        spans = taken_bytes = 0
        while self.traces:
            name, trace = next(iter(self.traces.items()))
            size = sum(map(size_bytes, trace.values()))
            if taken and (spans + len(trace) > self._most_spans or taken_bytes + size > MOST_BYTES):
                break
            taken[name] = self.traces.pop(name)
            spans += len(trace)
            taken_bytes += size
        self.spans -= spans
        self._size_bytes -= taken_bytes
        return taken


class _Waiting:
    """All that waits; the project and day that had a span last is the last."""

    def __init__(self, most_spans: int) -> None:
        self._most_spans = most_spans
        self.homes: OrderedDict[tuple[str, int], _Home] = OrderedDict()
        self._of_traces: dict[Name, tuple[str, int]] = {}
        self._spans = 0

    def add(self, span: Span) -> _Home | None:
        """What is to be taken from now, if anything."""
        name = (span.project, span.trace_id)
        # All of a trace goes where its first span went.
        key = self._of_traces.setdefault(name, (span.project, span.started_ns // DAY_NS))
        home = self.homes.setdefault(key, _Home(self._most_spans))
        self.homes.move_to_end(key)
        before = home.spans
        home.add(name, span)
        self._spans += home.spans - before
        if home.is_full:
            return home
        return next(iter(self.homes.values())) if self._spans >= self._most_spans * _MOST_WAITING else None

    def take(self, home: _Home) -> dict[Name, Trace]:
        taken = home.take()
        for name in taken:
            del self._of_traces[name]
        self._spans -= sum(map(len, taken.values()))
        for key in [key for key, each in self.homes.items() if not each.traces]:
            del self.homes[key]
        return taken


def gathered(spans: Iterable[Span], most_spans: int = MOST_SPANS) -> Iterator[dict[Name, Trace]]:
    """Traces of one project's day, ``most_spans`` at a time; the spans of a trace should come near each other.

    A trace whose spans come too far apart comes again. Four times as many wait in memory at most.
    """
    waiting = _Waiting(most_spans)
    for span in spans:
        home = waiting.add(span)
        if home is not None:
            yield waiting.take(home)
    while waiting.homes:
        yield waiting.take(next(iter(waiting.homes.values())))
