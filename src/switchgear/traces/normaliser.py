"""Makes of a span as its sender told it the row that is kept: pure, and deaf to nothing.

A span often speaks several conventions at once. Each attribute is looked up once; every field asks them all, the most
specific first, until one says something that can be read. Nothing that a sender wrote raises: it is carried, or cut.
"""

from collections.abc import Iterable, Mapping
from typing import Final, cast

from switchgear.kernel.span import NOTHING, Content, Span, SpanEvent, SpanKind, SpanStatus, ToldSpan
from switchgear.kernel.span_sums import MODEL_CALLS
from switchgear.traces.conventions import Convention, discover
from switchgear.traces.conventions.content import contents
from switchgear.traces.conventions.money import cost_of
from switchgear.traces.conventions.reading import Reading, Rules
from switchgear.traces.conventions.tally import usage_of
from switchgear.traces.conventions.values import (
    clean,
    count,
    items,
    members,
    moment_ns,
    name,
    number,
    sound,
    text,
    written,
)
from switchgear.traces.conventions.words import FINISHES, KINDS, OPERATIONS_OF_KINDS, PROVIDERS
from switchgear.traces.intake import Origin

_MOST_TAGS: Final = 200
_WORDS: Final = frozenset(
    (
        "trace_name",
        "service",
        "environment",
        "release",
        "user",
        "session",
        "prompt_name",
        "prompt_version",
        "prompt_label",
        "route",
        "call_id",
        "cache",
    )
)
"""Fields that are a word as it came."""
_FIRST_TOKEN_SCALES: Final = (("first_token_ns", 1), ("first_token_s", 1e9), ("first_token_ms", 1e6))
_STATUSES: Final[Mapping[str, SpanStatus]] = {"ok": "ok", "error": "error"}


class Normaliser:
    """Normalises spans by conventions; all of this distribution where none are given. Called from any thread."""

    def __init__(self, conventions: Iterable[Convention] | None = None) -> None:
        self._rules = Rules(discover() if conventions is None else conventions)
        self._by_scope = {scope: place for place, held in enumerate(self._rules.conventions) for scope in held.scopes}

    def __call__(self, told: ToldSpan, origin: Origin) -> Span:
        """The row of a span."""
        reading = Reading(told, self._rules)
        spoken = self._spoken(reading)
        for place, convention in spoken:
            if convention.complete is not None:
                reading.rank = place * 1000
                convention.complete(reading)
        reading.settle()
        return _row(reading, origin, tuple(convention for _, convention in spoken))

    def _spoken(self, reading: Reading) -> list[tuple[int, Convention]]:
        shown = self._by_scope.get(reading.told.scope_name)
        if shown is not None:
            reading.places.add(shown)
        conventions = self._rules.conventions
        places = reading.places
        return [(place, conventions[place]) for place in (sorted(places) if len(places) > 1 else places)]


def _row(reading: Reading, origin: Origin, spoken: tuple[Convention, ...]) -> Span:
    told = reading.told
    word = reading.word
    metadata = _metadata(reading, origin)
    usage, note = usage_of(reading, spoken)
    if note:
        metadata["usage.note"] = note
    kind = _kind(reading, has_usage=usage is not None)
    request_model, model = _models(reading, spoken, kind)
    cost = cost_of(reading)
    status, message, level = _status(reading)
    asked, answered, finish = contents(reading)
    return Span(
        project=origin.project,
        trace_id=told.trace_id,
        span_id=told.span_id,
        parent_id=told.parent_id,
        name=sound(told.name) or kind,
        kind=kind,
        started_ns=told.started_ns,
        ended_ns=max(told.started_ns, told.ended_ns),
        status=status,
        status_message=message,
        level=level,
        tags=_tags(reading),
        metadata=metadata,
        operation=word("operation").lower() or OPERATIONS_OF_KINDS.get(kind, ""),
        provider=reading.first("provider", _provider, ""),
        request_model=request_model,
        model=model,
        first_token_ns=_first_token_ns(reading, spoken),
        usage=usage,
        counted=_counted(reading, spoken, kind),
        cost_nano_usd=cost,
        cost_source="" if cost is None else "reported",
        finish=reading.first("finish", _finish, "") or _finish(finish),
        tool_name=word("tool_name") or (sound(told.name) if kind == "tool" else ""),
        tool_call_id=word("tool_call_id"),
        key=origin.key or word("key"),
        input=asked,
        output=answered,
        attributes=_left(reading, asked, answered),
        resource=reading.resource,
        events=tuple(_event(event) for event in told.events) if told.events else (),
        scope=_scope(told),
        convention=spoken[0].name if spoken else "",
        # Of these a span tells few.
        **{field: word(field) for field in _WORDS & reading.fields.keys()},
    )


def _models(reading: Reading, spoken: tuple[Convention, ...], kind: SpanKind) -> tuple[str, str]:
    """The one that was asked for, and the one that answered."""
    asked, answered = reading.word("request_model"), reading.word("model")
    # A call that names one model means it: lists and sums by model are to have the call.
    if not answered and (kind in MODEL_CALLS or any(convention.has_one_model for convention in spoken)):
        answered = asked
    return asked, answered


def _scope(told: ToldSpan) -> str:
    return sound(f"{told.scope_name}@{told.scope_version}" if told.scope_version else told.scope_name)


def _clean_members(held: Mapping[str, object]) -> Mapping[str, object]:
    return {name(key): clean(value) for key, value in held.items()} if held else {}


def _event(event: SpanEvent) -> SpanEvent:
    return SpanEvent(name=sound(event.name), at_ns=event.at_ns, attributes=_clean_members(event.attributes))


def _left(reading: Reading, asked: Content, answered: Content) -> Mapping[str, object]:
    """The attributes without those that became content."""
    for attribute, (field, value) in reading.content.items():
        side = answered if field.endswith("output") else asked
        if side is NOTHING or field not in reading.used:
            reading.attributes[attribute] = clean(value)
    return reading.attributes


def _metadata(reading: Reading, origin: Origin) -> dict[str, str]:
    found = {name(key): written(value) for key, value in reading.metadata.items()} if reading.metadata else {}
    for said in reading.fields.get("metadata_object", ()):
        inner = members(said.value)
        for key, value in inner.items():
            found.setdefault(name(key), written(value))
        plain = "" if inner else written(said.value)
        if plain and plain != "{}":
            found.setdefault("metadata", plain)
    if origin.sender_project:
        found["project"] = sound(origin.sender_project)
    return found


def _tags(reading: Reading) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for said in reading.fields.get("tags", ()):
        listed = items(said.value)
        if not listed and isinstance(said.value, str):
            listed = said.value.split(",")
        for tag in listed[:_MOST_TAGS]:
            if held := text(tag).strip():
                found[held] = None
    return tuple(found)[:_MOST_TAGS]


def _kind(reading: Reading, *, has_usage: bool) -> SpanKind:
    told = reading.first("kind", _known_kind, "")
    if told and told != "span":
        return cast("SpanKind", told)
    by_operation = KINDS.get(reading.word("operation").lower())
    if by_operation is not None:
        return by_operation
    if told:
        return "span"
    return "llm" if has_usage and (reading.word("request_model") or reading.word("model")) else "span"


def _known_kind(value: object) -> str:
    return KINDS.get(text(value).lower(), "")


def _provider(value: object) -> str:
    said = text(value).lower()
    return PROVIDERS.get(said, said)


def _finish(value: object) -> str:
    if value == "":
        return ""
    said = items(value)
    first = text(said[0] if said else value)
    return FINISHES.get(first.lower(), first)


def _status(reading: Reading) -> tuple[SpanStatus, str, str]:
    told = reading.told
    level = reading.word("level").upper()
    failed = told.status == "unset" and (level == "ERROR" or reading.word("error_type") != "")
    status: SpanStatus = "error" if failed else _STATUSES.get(told.status, "unset")
    message = sound(told.status_message) or reading.word("status_message")
    if not message and status == "error":
        message = _exception(told) or reading.word("error_type")
    return status, message, level


def _exception(told: ToldSpan) -> str:
    for event in told.events:
        if event.name == "exception":
            return text(event.attributes.get("exception.message")) or text(event.attributes.get("exception.type"))
    return ""


def _counted(reading: Reading, spoken: tuple[Convention, ...], kind: str) -> bool:
    if (told := reading.word("counted")) != "":
        return told.lower() != "false"
    return reading.counted and not (spoken and kind in spoken[0].sums_up)


def _first_token_ns(reading: Reading, spoken: tuple[Convention, ...]) -> int:
    for field, scale in _FIRST_TOKEN_SCALES:
        after = reading.first(field, number, None)
        if after is not None and 0 < after * scale < 1e18:
            return round(after * scale)
    started = reading.told.started_ns
    if "first_token_at" in reading.fields:
        at_ns = reading.first("first_token_at", _moment, 0)
        return max(at_ns - started, 0) if at_ns else 0
    if not reading.told.events:
        return 0
    names = frozenset[str]().union(*(convention.first_token_events for convention in spoken))
    moments = [event.at_ns for event in reading.told.events if event.name in names]
    return max(min(moments) - started, 0) if moments else 0


def _moment(value: object) -> int:
    return moment_ns(value) or count(value) or 0
