"""A wire format as its vendor documents it, written down without the product's help: one description for both ends.

``asks`` is what a client of the wire sends; ``gets``, where it is not the same, what an upstream of it must be sent.
A feature that is missing in ``asks`` cannot be said in that wire.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from enum import Enum
from itertools import zip_longest
from typing import Any, Final, cast

from msgspec import Struct

from tests.matrix.subject import Body, Told

Bodies = Mapping[str, Body]


class Wire(Struct, frozen=True, kw_only=True):
    """``told`` and ``answer`` are each other's inverse, and so are ``told_stream`` and ``stream``."""

    name: str
    title: str
    """For readers."""
    model: str
    path: Callable[[str, bool], str]
    """Where a client asks a model, for a whole answer or a stream."""
    asks: Bodies
    gets: Bodies = {}
    names_model: bool = True
    """Whether the body names the model, or the path alone."""
    streamed: Body = {}
    """What a client that wants a stream says in the body."""
    stream_type: str = "text/event-stream"
    signs: bool = True
    """Whether thoughts come with a signature."""
    tidy: Callable[[Body], Body] = lambda body: body
    """The request without what it says only because it is a request: the model, the wish for a stream."""
    answer: Callable[[Told], Body]
    stream: Callable[[Told], bytes]
    told: Callable[[Body], Told]
    told_stream: Callable[[bytes], Told]
    refused_field: Callable[[Body], str]
    """The field that an error names."""
    words: Mapping[str, str] = {}
    """What the wire calls the fields that OpenAI's chat completions call otherwise, of those that can be refused."""

    def wanted(self, feature: str, door: str) -> Body:
        """What an upstream of this wire must be sent when a client of ``door`` asks for a feature."""
        asked = self.asks if door == self.name else {**self.asks, **self.gets}
        return self.tidy(deepcopy(asked[feature]))


class OneOf:
    """Any of these values; :data:`NOTHING` stands for a member that is not there."""

    def __init__(self, *values: object) -> None:
        self.values = values


class Absent(Enum):
    NOTHING = "nothing"


NOTHING: Final = Absent.NOTHING


def difference(found: object, wanted: object, place: str = "") -> str:
    """Where two JSON values first differ; empty when they do not."""
    if isinstance(wanted, OneOf):
        differences = [difference(found, value, place) for value in wanted.values]
        return "" if "" in differences else differences[0]
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = _members(cast("Body", found), cast("Body", wanted))
    elif isinstance(found, list) and isinstance(wanted, list):
        pairs = _items(cast("list[object]", found), cast("list[object]", wanted))
    else:
        return "" if found == wanted else f"{place}: {found!r} is not {wanted!r}"
    return next((text for step, one, other in pairs if (text := difference(one, other, place + step))), "")


def _members(found: Body, wanted: Body) -> Iterator[tuple[str, object, object]]:
    for name in {**wanted, **found}:
        yield f".{name}", found.get(name, NOTHING), wanted.get(name, NOTHING)


def _items(found: list[object], wanted: list[object]) -> Iterator[tuple[str, object, object]]:
    for at, (one, other) in enumerate(zip_longest(found, wanted, fillvalue=NOTHING)):
        yield f"[{at}]", one, other


def sse(*events: Body, named: bool = True, end: bytes = b"") -> bytes:
    """Events whose names are the types of their payloads."""
    frames: list[bytes] = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        frames.append(f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
    return b"".join(frames) + end


def payloads(stream: bytes) -> list[Body]:
    """The JSON of every event."""
    lines = (line.removeprefix("data: ") for line in stream.decode().split("\n") if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def halves(text: str) -> tuple[str, str]:
    """A text in two pieces."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def arguments(call_arguments: Mapping[str, object]) -> str:
    """A call's arguments as a model writes them."""
    return json.dumps(call_arguments, ensure_ascii=False)


def without(body: Body, *names: str) -> Body:
    """The body without some members."""
    return {name: value for name, value in body.items() if name not in names}


def only(found: list[Any]) -> Any:
    """The only item."""
    (item,) = found
    return item
