"""Langfuse's conditions on observations and traces as filters of ours: ``[{type, column, operator, value, key?}]``.

A condition that our filters cannot say exactly is refused by name: one that is passed over shows what was not asked
for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, cast

from msgspec import Struct

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import Compare, Comparison, Either, Every, Filter, Not, Noted, OneOf, StartsWith, Tagged
from switchgear.traces.conventions.langfuse import VERSION
from switchgear.traces.doors.langfuse_ids import span_id, trace_id
from switchgear.traces.doors.langfuse_shown import TYPES
from switchgear.traces.doors.reading import a_list, an_object, moment_ns

LEVELS: Final = ("DEBUG", "DEFAULT", "WARNING", "ERROR")
Kind = Literal["text", "number", "moment", "tags", "metadata", "root"]
_COMPARISONS: Final[Mapping[str, Comparison]] = {"=": "==", ">": ">", "<": "<", ">=": ">=", "<=": "<="}
_TYPES: Final[Mapping[str, Kind]] = {
    "string": "text",
    "stringOptions": "text",
    "null": "text",
    "number": "number",
    "datetime": "moment",
    "arrayOptions": "tags",
    "stringObject": "metadata",
    "categoryOptions": "metadata",
    "boolean": "root",
}
"""What each type of condition is about."""
_MOST: Final = 1e18


class Column(Struct, frozen=True, kw_only=True):
    """What a condition may be about."""

    kind: Kind = "text"
    field: str = ""
    equal: Callable[[str], Filter] | None = None
    """How a text's equality is said, where it is not the field's own."""
    scale: float = 1.0
    """What one of Langfuse's units is in ours."""

    def equals(self, value: str) -> Filter:
        """The filter for one text."""
        return Compare(field=self.field, value=value) if self.equal is None else self.equal(value)


class Columns(Struct, frozen=True, kw_only=True):
    """Those of one kind of thing."""

    of: str
    """What it is called."""
    known: Mapping[str, Column]
    denies: bool = True
    """Whether conditions may say what a thing is not: of traces they may not, because each span speaks for itself."""


def level_is(said: str) -> Filter:
    """Spans of senders that have no such word are ``ERROR`` where they failed, else ``DEFAULT``. Raises BadRequest."""
    if said not in LEVELS:
        raise BadRequest(f"'level' is one of {', '.join(LEVELS)}, not {said[:40]!r}", param="level")
    told = Compare(field="level", value=said)
    if said not in ("DEFAULT", "ERROR"):
        return told
    failed = Compare(field="status", value="error")
    silent = (Compare(field="level", value=""), failed if said == "ERROR" else Not(filter=failed))
    return Either(filters=(told, Every(filters=silent)))


def type_is(said: str) -> Filter:
    """One of Langfuse's types, which may be several kinds of ours."""
    return OneOf(field="kind", values=tuple(ours for ours, theirs in TYPES.items() if theirs == said.upper()))


def environment_is(said: str) -> Filter:
    """``default`` is Langfuse's word for none."""
    return OneOf(field="environment", values=(said, "") if said == "default" else (said,))


def trace_is_called(said: str) -> Filter:
    """The name that its spans say, else that of its first span."""
    unnamed = Compare(field="trace_name", value="")
    first = (unnamed, Compare(field="parent_id", value=""), Compare(field="name", value=said))
    return Either(filters=(Compare(field="trace_name", value=said), Every(filters=first)))


def version_is(said: str) -> Filter:
    """The version that the sender gives its spans."""
    return Noted(key=VERSION, value=said)


def _model_is(said: str) -> Filter:
    """As observations show it: what was asked for, else what answered."""
    unasked = (Compare(field="request_model", value=""), Compare(field="model", value=said))
    return Either(filters=(Compare(field="request_model", value=said), Every(filters=unasked)))


_TRACE_ID: Final = Column(equal=lambda said: Compare(field="trace_id", value=trace_id(said)))
_SHARED: Final[Mapping[str, Column]] = {
    "environment": Column(field="environment", equal=environment_is),
    "userId": Column(field="user"),
    "sessionId": Column(field="session"),
    "release": Column(field="release"),
    "version": Column(equal=version_is),
    "tags": Column(kind="tags"),
    "metadata": Column(kind="metadata"),
}
OBSERVATIONS: Final = Columns(
    of="observations",
    known={
        **_SHARED,
        "id": Column(equal=lambda said: Compare(field="span_id", value=span_id(said))),
        "traceId": _TRACE_ID,
        "parentObservationId": Column(
            field="parent_id", equal=lambda said: Compare(field="parent_id", value=span_id(said))
        ),
        "name": Column(field="name"),
        "traceName": Column(field="trace_name"),
        "traceRelease": Column(field="release"),
        "type": Column(equal=type_is),
        "level": Column(equal=level_is),
        "providedModelName": Column(equal=_model_is),
        "model": Column(equal=_model_is),
        "promptName": Column(field="prompt_name"),
        "promptVersion": Column(field="prompt_version"),
        "isRootObservation": Column(kind="root"),
        "startTime": Column(kind="moment", field="started_ns"),
        "endTime": Column(kind="moment", field="ended_ns"),
        "latency": Column(kind="number", field="duration_ns", scale=1e9),
        "timeToFirstToken": Column(kind="number", field="first_token_ns", scale=1e9),
        "inputTokens": Column(kind="number", field="input_tokens"),
        "outputTokens": Column(kind="number", field="output_tokens"),
        "totalCost": Column(kind="number", field="cost_nano_usd", scale=1e9),
    },
)
TRACES: Final = Columns(
    of="traces",
    known={
        **_SHARED,
        "id": _TRACE_ID,
        "name": Column(equal=trace_is_called),
        "timestamp": Column(kind="moment", field="started_ns"),
    },
    denies=False,
)


def conditions(said: object, columns: Columns) -> list[Filter]:
    """One filter for each condition. Raises BadRequest."""
    return [_condition(an_object(each, "a condition of 'filter'"), columns) for each in a_list(said, "'filter'")]


def _condition(said: Mapping[str, object], columns: Columns) -> Filter:
    name, operator, kind = (str(said.get(member) or "")[:60] for member in ("column", "operator", "type"))
    column = columns.known.get(name)
    if column is None:
        raise _no(f"{columns.of} cannot be filtered by {name!r}: there are {', '.join(columns.known)}")
    about = f"{name!r} {operator!r} of type {kind!r}"
    if _TYPES.get(kind) != column.kind:
        taken = ", ".join(each for each, about_what in _TYPES.items() if about_what == column.kind)
        raise _no(f"{about} is not understood; {name!r} takes the types {taken}")
    made = _READERS[column.kind](said, operator, column)
    if made is None:
        raise _no(f"{about} is not understood with this value")
    if isinstance(made, Not) and not columns.denies:
        raise _no(f"{about} is not served: a trace is found by what one of its spans is, not by what none of them is")
    return made


def _text(said: Mapping[str, object], operator: str, column: Column) -> Filter | None:
    value = said.get("value")
    if operator == "is not null" and column.field:
        return Compare(field=column.field, op="!=", value="")
    if operator == "is null" and column.field:
        # That none is there says what a thing is not.
        return Not(filter=Compare(field=column.field, op="!=", value=""))
    if operator in ("any of", "none of"):
        return _any(operator, [column.equals(each) for each in _texts(value)])
    if isinstance(value, str) and operator == "=":
        return column.equals(value)
    if isinstance(value, str) and operator == "starts with" and column.field and column.equal is None:
        return StartsWith(field=column.field, prefix=value)
    return None


def _number(said: Mapping[str, object], operator: str, column: Column) -> Filter | None:
    value = said.get("value")
    if operator not in _COMPARISONS or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not abs(value * column.scale) < _MOST:
        return None
    return Compare(field=column.field, op=_COMPARISONS[operator], value=round(value * column.scale))


def _moment(said: Mapping[str, object], operator: str, column: Column) -> Filter | None:
    value = said.get("value")
    at_ns = moment_ns(value) if isinstance(value, str) else None
    if at_ns is None or operator == "=" or operator not in _COMPARISONS:
        return None
    return Compare(field=column.field, op=_COMPARISONS[operator], value=max(0, at_ns))


def _tags(said: Mapping[str, object], operator: str, _: Column) -> Filter | None:
    tags: list[Filter] = [Tagged(name=tag) for tag in _texts(said.get("value"))]
    return Every(filters=tuple(tags)) if operator == "all of" and tags else _any(operator, tags)


def _metadata(said: Mapping[str, object], operator: str, _: Column) -> Filter | None:
    key, value = said.get("key"), said.get("value")
    if not isinstance(key, str) or not key:
        return None
    if isinstance(value, str) and operator == "=":
        return Noted(key=key, value=value)
    return _any(operator, [Noted(key=key, value=each) for each in _texts(value)])


def _root(said: Mapping[str, object], operator: str, _: Column) -> Filter | None:
    value = said.get("value")
    if not isinstance(value, bool) or operator not in ("=", "<>"):
        return None
    return Compare(field="parent_id", op="==" if value == (operator == "=") else "!=", value="")


def _any(operator: str, filters: Sequence[Filter]) -> Filter | None:
    if not filters or operator not in ("any of", "none of"):
        return None
    found = Either(filters=tuple(filters))
    return found if operator == "any of" else Not(filter=found)


def _texts(value: object) -> list[str]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [each for each in listed if isinstance(each, str)] if all(isinstance(each, str) for each in listed) else []


_READERS: Final[Mapping[Kind, Callable[[Mapping[str, object], str, Column], Filter | None]]] = {
    "text": _text,
    "number": _number,
    "moment": _moment,
    "tags": _tags,
    "metadata": _metadata,
    "root": _root,
}


def _no(why: str) -> BadRequest:
    return BadRequest(f"the condition cannot be asked here: {why}", param="filter")
