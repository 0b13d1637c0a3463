"""A member that no dialect knows, wherever it stands in a request, is refused by its name where it is translated."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, Final, cast

import pytest
from msgspec import json

from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.registry import discover
from tests.matrix.subject import CALLS, SCHEMA, TOOLS, Body
from tests.matrix.table import wires
from tests.matrix.wire import Wire

DIALECTS: Final = discover()
WIRES: Final = wires()
STRANGER: Final = "stranger"
FREE: Final = (SCHEMA, *(schema for _, _, schema in TOOLS), *(call.arguments for call in CALLS))
"""What holds whatever the caller likes."""
OPEN: Final = ("response", "additionalModelRequestFields")
"""Likewise: what a function of Gemini's gave, and what a model on Bedrock may understand."""
REPEATED: Final = ("tool_calls", "thinking_blocks", "summary")
"""What a client says again of an answer, as it got it: what else stands there means nothing to another model."""

Step = str | int


def places(value: object, before: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where an object stands that is the dialect's own."""
    inner: Iterable[tuple[Step, object]] = ()
    if isinstance(value, dict) and value not in FREE:
        if before:
            yield before
        inner = cast("dict[Step, object]", value).items()
    elif isinstance(value, list):
        inner = enumerate(cast("list[object]", value))
    for step, item in inner:
        if step not in OPEN:
            yield from places(item, (*before, step))


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
