"""A member that no dialect knows, wherever it stands in a request, is refused by its name where it is translated."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, cast

import pytest
from msgspec import json

from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.registry import discover
from tests.matrix.subject import Body
from tests.matrix.table import wires
from tests.matrix.wire import Wire

DIALECTS: Final = discover()
WIRES: Final = wires()
STRANGER: Final = "stranger"
FREE: Final = frozenset(("args", "input_schema", "json", "parameters", "parametersJsonSchema", "responseJsonSchema"))
"""What holds whatever the caller likes: schemas, and arguments that are an object."""
FREE_PLACES: Final = frozenset(("response", "input", "schema", "json_schema", "additionalModelRequestFields"))
"""Likewise, where the member itself is no part of the dialect's own grammar."""
REPEATED: Final = ("tool_calls", "thinking_blocks", "summary")
"""What a client says again of an answer, as it got it: what else stands there means nothing to another model."""

Step = str | int


def places(value: object, before: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where an object stands that is the dialect's own."""
    if isinstance(value, dict):
        found = cast("Body", value)
        if before:
            yield before
        for name, inner in found.items():
            is_grammar = isinstance(inner, list) or (name == "json_schema" and "schema" in inner)
            if name not in FREE and (name not in FREE_PLACES or is_grammar):
                yield from places(inner, (*before, name))
    elif isinstance(value, list):
        for at, inner in enumerate(cast("list[object]", value)):
            yield from places(inner, (*before, at))


def with_stranger(body: Body, place: tuple[Step, ...]) -> bytes:
    changed = deepcopy(body)
    inner: Any = changed
    for step in place:
        inner = inner[step]
    inner[STRANGER] = 1
    return json.encode(changed)


CASES: Final = {
    f"{wire.name}-{feature}-{'.'.join(map(str, place))}": (wire, feature, place)
    for wire in WIRES.values()
    for feature, body in wire.asks.items()
    for place in places(body)
    if not any(step in REPEATED for step in place)
}


@pytest.mark.parametrize(("wire", "feature", "place"), CASES.values(), ids=CASES)
def test_it_is_refused_and_named(wire: Wire, feature: str, place: tuple[Step, ...]) -> None:
    target = DIALECTS["openai_chat" if wire.name == "anthropic" else "anthropic"]
    named = {"model": "m"} if wire.names_model else {}
    body = with_stranger({**named, **wire.asks[feature]}, place)
    with pytest.raises(UnsupportedField) as refused:
        target.write_request(DIALECTS[wire.name].read_request(body))
    assert (refused.value.param or "").rpartition(".")[2] == STRANGER
