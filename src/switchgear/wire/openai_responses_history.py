"""Conversations of OpenAI's Responses API that go on from a response that somebody keeps for its client.

Everything here is JSON as it came: what is put together are items, and what is changed are members of a response.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.wire.json_body import ABSENT, NULL, decode, decode_answer, said, splice
from switchgear.wire.openai_responses_parts import Block
from switchgear.wire.sse import event as frame
from switchgear.wire.sse import read_events

FINAL: Final = ("response.completed", "response.incomplete")
_RESPONSE: Final = b'"response":'
_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
}


class Asked(Struct):
    """What a request says of keeping and going on."""

    previous_response_id: str | None = None
    store: bool | None = None
    input: Raw = ABSENT


class Given(Struct):
    """What a response says of itself."""

    id: str = ""
    status: str = ""
    store: bool | None = None
    output: list[Raw] | None = None


class _Event(Struct):
    type: str = ""
    response: Raw = ABSENT


class _Item(Struct):
    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: Raw = ABSENT


def read_asked(body: bytes) -> Asked:
    """Raises BadRequest."""
    return decode(Asked, body)


def read_given(response: bytes) -> Given:
    """Raises UpstreamGarbled."""
    return decode_answer(Given, response)


def input_items(given: Raw) -> list[Raw]:
    """``input`` as a list of items; a string is a message of the user. Raises BadRequest."""
    value = said(given)
    if value is None:
        return []
    if not bytes(value).startswith(b'"'):
        return [Raw(bytes(item)) for item in decode(list[Raw], bytes(value))]
    content: list[Block] = [{"type": "input_text", "text": decode(str, bytes(value))}]
    return [Raw(json.encode({"type": "message", "role": "user", "content": content}))]


def expanded(body: bytes, earlier: Sequence[Raw]) -> bytes:
    """The request with all ``earlier`` items before its own, and without ``previous_response_id``."""
    items = [*earlier, *input_items(read_asked(body).input)]
    return splice(body, {"input": json.encode(items), "previous_response_id": NULL})


def edited(response: bytes, edits: Mapping[str, bytes]) -> bytes:
    """The response with these members set to other JSON texts."""
    return splice(response, edits) if edits else response


def final_response(frames: bytes) -> bytes | None:
    """The whole response in the event that ends a stream well; None when there is no such event in ``frames``."""
    found = (event for _, event in _responses(frames) if event.type in FINAL)
    event = next(found, None)
    return None if event is None else bytes(event.response)


def first_response(frames: bytes) -> bytes | None:
    """The response in the first event that has one."""
    found = next(_responses(frames), None)
    return None if found is None else bytes(found[1].response)


def edited_frames(frames: bytes, edits: Mapping[str, bytes]) -> bytes:
    """``frames`` with the members of every response in them set anew; frames without one stay as they are."""
    if not edits or _RESPONSE not in frames:
        return frames
    return b"".join(_edited_event(name, data, edits) for name, data in read_events(frames))


def _edited_event(name: bytes, data: bytes, edits: Mapping[str, bytes]) -> bytes:
    event = _read_event(data)
    if event is None:
        return frame(data, name)
    return frame(splice(data, {"response": edited(bytes(event.response), edits)}), name)


def _responses(frames: bytes) -> Iterator[tuple[bytes, _Event]]:
    if _RESPONSE not in frames:
        return
    for name, data in read_events(frames):
        event = _read_event(data)
        if event is not None:
            yield name, event


def _read_event(data: bytes) -> _Event | None:
    """An event that holds a response, else None. (Quotes inside strings are escaped: no content looks like one.)"""
    if _RESPONSE not in data:
        return None
    event = decode_answer(_Event, data)
    return None if said(event.response) is None else event


def listed_items(items: Sequence[Raw], suffix: str) -> list[Block]:
    """Input items as the API lists them: content as a list, and ids, which ``suffix`` makes unlike those of others."""
    return [_listed(item, at, suffix) for at, item in enumerate(items)]


def _listed(raw: Raw, at: int, suffix: str) -> Block:
    item = decode_answer(_Item, bytes(raw))
    kind = item.type or ("message" if item.role is not None else "item_reference")
    members: Block = dict(json.decode(raw, type=dict[str, Raw]))
    listed: Block = {"id": item.id or f"{_PREFIXES.get(kind, 'item')}_{suffix}_in{at}", "type": kind}
    content = said(item.content)
    if kind == "message" and content is not None and bytes(content).startswith(b'"'):
        text = "output_text" if item.role == "assistant" else "input_text"
        block: Block = {"type": text, "text": content}
        members["content"] = [block | {"annotations": ()} if text == "output_text" else block]
    if kind in _PREFIXES and kind != "reasoning":
        listed["status"] = "completed"
    return {**listed, **{name: value for name, value in members.items() if name not in ("id", "type")}}
