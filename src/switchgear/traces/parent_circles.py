"""Spans whose parents go in a circle: the earliest of them becomes a first span.

Left as they are, no tree would show them, and each would be outdone by one below it, so that none of them counted.
"""

from collections.abc import Mapping, Sequence

from switchgear.kernel.span import ToldSpan

Name = tuple[str, str]
"""Of a span: its trace's id, and its own."""


def circles_begin(told: Sequence[ToldSpan]) -> set[Name]:
    """The earliest span of each circle among spans that came together."""
    if len(told) < 2:
        return set()
    spans = {(each.trace_id, each.span_id): each for each in told}
    found: set[Name] = set()
    known: set[Name] = set()
    for name in spans:
        way: dict[Name, ToldSpan] = {}
        while name not in known and (span := spans.get(name)) is not None:
            if name in way:
                found.add(_earliest(way, name))
                break
            way[name] = span
            name = (span.trace_id, span.parent_id)  # noqa: PLW2901 (upwards from it)
        known.update(way)
    return found


def _earliest(way: Mapping[Name, ToldSpan], first: Name) -> Name:
    """Of the spans on a way from ``first`` on, which leads back to it."""
    names = list(way)
    return min(names[names.index(first) :], key=lambda name: (way[name].started_ns, name))
