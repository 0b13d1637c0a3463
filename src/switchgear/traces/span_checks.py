"""What is wrong with a span that was told, and what of that is mended: each span by itself, the others go on.

A value that is far too long is cut and the span kept: its tokens, its cost and its place in the trace are worth more
than the tail of one text. Only a span that is too large as a whole is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from msgspec import Struct, structs

from switchgear.kernel.span import SpanEvent, ToldSpan
from switchgear.traces.intake import Reason
from switchgear.traces.parent_circles import circles_begin

NOTES: Final = "switchgear.mended"
"""The attribute that lists what was mended."""
MAX_VALUE_CHARACTERS: Final = 1_048_576
KEPT_CHARACTERS: Final = 65_536
"""Of a value that is longer."""
MAX_SPAN_WEIGHT: Final = 8 * 1024 * 1024
MAX_RESOURCE_WEIGHT: Final = 64 * 1024
"""It is kept with each of its spans."""
_MAX_NAME_CHARACTERS: Final = 1000
_DAY_NS: Final = 86_400_000_000_000
_YEAR_2000_NS: Final = 946_684_800_000_000_000
_LARGEST_NS: Final = (1 << 63) - 1
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}").fullmatch
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}").fullmatch
_ZERO_ID: Final = "0" * 16
_NO_PARENTS: Final = ("", _ZERO_ID)
_MEMBER_WEIGHT: Final = 32
_SPAN_WEIGHT: Final = 200
_MAX_DEPTH: Final = 80


class Fault(Struct, frozen=True):
    """Why a span is refused."""

    reason: Reason
    message: str


class Sound(Struct, frozen=True):
    """A span that can be kept, about how many bytes it holds, and what was mended."""

    told: ToldSpan
    weight: int
    notes: tuple[str, ...] = ()


class SpanChecks:
    """Checks spans that came together, at ``now_ns``: the resource that many of them share is weighed once."""

    def __init__(self, now_ns: int, told: Sequence[ToldSpan]) -> None:
        self._latest_ns = now_ns + _DAY_NS
        self._circles = circles_begin(told)
        self._resource: Mapping[str, object] | None = None
        self._resource_weight = 0
        """Of the resource of the last span; -1: it is too large."""

    def __call__(self, told: ToldSpan) -> Sound | Fault:
        """The span as it can be kept, or why it cannot be."""
        fault = _fault(told, self._latest_ns)
        if fault is not None:
            return fault
        if told.resource is not self._resource:
            self._weigh_resource(told.resource)
        if self._resource_weight < 0:
            return Fault("too_large", f"the span's resource holds more than {MAX_RESOURCE_WEIGHT} bytes")
        of_span = _Weigher()
        attributes = of_span.cut(told.attributes)
        events = tuple([_event(event, of_span) for event in told.events]) if told.events else ()
        if of_span.weight > MAX_SPAN_WEIGHT:
            return Fault("too_large", f"the span holds more than {MAX_SPAN_WEIGHT} bytes; send less content with it")
        changes, notes = _mended(told)
        if self._circles and (told.trace_id, told.span_id) in self._circles:
            changes["parent_id"] = ""
            notes.append("parents_in_a_circle")
        if any(mine is not theirs for mine, theirs in zip(events, told.events, strict=True)):
            changes["events"] = events
        if of_span.has_cut:
            notes.append("value_cut")
        if notes:
            changes["attributes"] = {**attributes, NOTES: notes}
        weight = of_span.weight + self._resource_weight + _SPAN_WEIGHT
        return Sound(structs.replace(told, **changes) if changes else told, weight, tuple(notes))

    def _weigh_resource(self, resource: Mapping[str, object]) -> None:
        weigher = _Weigher()
        is_whole = weigher.cut(resource) is resource
        self._resource_weight = weigher.weight if is_whole and weigher.weight <= MAX_RESOURCE_WEIGHT else -1
        self._resource = resource


def _mended(told: ToldSpan) -> tuple[dict[str, object], list[str]]:
    """What is changed of a span beside its values, and the words for it."""
    changes: dict[str, object] = {}
    notes: list[str] = []
    if told.parent_id == _ZERO_ID:
        changes["parent_id"] = ""
    if told.ended_ns < told.started_ns:
        changes["ended_ns"] = told.started_ns
        notes.append("end_before_start" if told.ended_ns > 0 else "no_end")
    if len(told.name) > _MAX_NAME_CHARACTERS:
        changes["name"] = told.name[:_MAX_NAME_CHARACTERS]
        notes.append("name_cut")
    return changes, notes


def _fault(told: ToldSpan, latest_ns: int) -> Fault | None:
    if not told.trace_id or not told.span_id:
        missing = "trace id" if not told.trace_id else "span id"
        return Fault("no_ids", f"the span has no {missing}")
    if not _TRACE_ID(told.trace_id):
        return Fault("bad_ids", f"trace id {told.trace_id[:64]!r} is not 32 hexadecimal digits that are not all zero")
    if not _SPAN_ID(told.span_id):
        return Fault("bad_ids", f"span id {told.span_id[:64]!r} is not 16 hexadecimal digits that are not all zero")
    if told.parent_id not in _NO_PARENTS and not _SPAN_ID(told.parent_id):
        return Fault("bad_ids", f"parent id {told.parent_id[:64]!r} is not 16 hexadecimal digits")
    if told.parent_id == told.span_id:
        return Fault("its_own_parent", f"span {told.span_id} names itself as its parent")
    if told.started_ns < _YEAR_2000_NS:
        return Fault("bad_times", "the span began before the year 2000: times are nanoseconds of Unix time")
    if max(told.started_ns, told.ended_ns) > latest_ns:
        return Fault("in_the_future", "the span begins or ends more than a day in the future: set the sender's clock")
    return None


def _event(event: SpanEvent, weigher: "_Weigher") -> SpanEvent:
    attributes = weigher.cut(event.attributes)
    at_ns = min(event.at_ns, _LARGEST_NS)
    if attributes is event.attributes and at_ns == event.at_ns:
        return event
    return structs.replace(event, attributes=attributes, at_ns=at_ns)


class _Weigher:
    """Weighs values, and cuts those that are too long."""

    __slots__ = ("has_cut", "weight")

    def __init__(self) -> None:
        self.weight = 0
        self.has_cut = False

    def cut(self, attributes: Mapping[str, object]) -> Mapping[str, object]:
        """``attributes``, or a copy in which the long values are cut."""
        changes: dict[str, object] = {}
        weight = _MEMBER_WEIGHT * len(attributes)
        for name, value in attributes.items():
            if isinstance(value, str):
                size = len(value)
                if size > MAX_VALUE_CHARACTERS:
                    changes[name] = self._shortened(value)
                    size = KEPT_CHARACTERS
                weight += size
            elif isinstance(value, (bytes, list, dict)):
                self._take_nested(name, cast("object", value), changes)
            weight += len(name)
        self.weight += weight
        return {**attributes, **changes} if changes else attributes

    def _take_nested(self, name: str, value: object, changes: dict[str, object]) -> None:
        size = _weight(value, 0)
        if size > MAX_VALUE_CHARACTERS and isinstance(value, bytes):
            changes[name] = value[:KEPT_CHARACTERS]
            self.has_cut = True
            size = KEPT_CHARACTERS
        self.weight += size

    def _shortened(self, text: str) -> str:
        self.has_cut = True
        return f"{text[:KEPT_CHARACTERS]}… [{len(text) - KEPT_CHARACTERS} more characters were cut]"


def _weight(value: object, depth: int) -> int:
    """About how many bytes a value takes; one nested beyond all use weighs too much."""
    if depth > _MAX_DEPTH:
        return MAX_SPAN_WEIGHT
    if isinstance(value, str | bytes):
        return len(value) + _MEMBER_WEIGHT
    if isinstance(value, list):
        return _MEMBER_WEIGHT + sum(_weight(each, depth + 1) for each in cast("list[object]", value))
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return _MEMBER_WEIGHT + sum(len(name) + _weight(each, depth + 1) for name, each in members)
    return _MEMBER_WEIGHT
