"""The input items of OpenAI's Responses API, both ways.

What an assistant did stands in several items (reasoning, message, function_call), canonically in one message; results
of calls that follow each other are one ``tool`` message. Ids and states of items are bookkeeping of the API that made
them and do not travel. An item of a hosted tool, and a reference to an item, is refused by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeVar

from msgspec import Raw, Struct

from switchgear.kernel.chat import (
    File,
    Image,
    Message,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.json_body import ABSENT, decode
from switchgear.wire.openai_chat_parts import told_result
from switchgear.wire.openai_responses_parts import (
    Block,
    ContentPart,
    ResultPart,
    Thought,
    read_part,
    read_thought,
    write_input_part,
    write_output_part,
    write_thought,
)

T = TypeVar("T")

_JOINED: Final = ("assistant", "tool")
_MESSAGE: Final = "message"


class ItemType(Struct):
    type: str | None = None
    role: str | None = None


class MessageItem(Struct, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart]
    type: str | None = None
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class DirectCaller(Struct, tag="direct", forbid_unknown_fields=True):
    """The model itself made the call, not a program it wrote."""


class FunctionCall(Struct, forbid_unknown_fields=True):
    call_id: str
    name: str
    arguments: str
    type: str
    id: str | None = None
    status: str | None = None
    caller: DirectCaller | None = None
    created_by: str | None = None
    parsed_arguments: Raw = ABSENT
    """What the vendor's SDK made of the arguments."""


class FunctionCallOutput(Struct, forbid_unknown_fields=True):
    call_id: str
    output: str | list[ResultPart]
    type: str
    id: str | None = None
    status: str | None = None
    name: str | None = None
    caller: DirectCaller | None = None
    created_by: str | None = None


class ReasoningItem(Struct, forbid_unknown_fields=True):
    type: str
    summary: list[Thought] = []
    content: list[Thought] | None = None
    encrypted_content: str | None = None
    id: str | None = None
    status: str | None = None


def read_input(given: Raw) -> tuple[Message, ...]:
    """The messages of ``input``, a string or items. Raises BadRequest or UnsupportedField, naming the item."""
    if bytes(given).lstrip().startswith(b'"'):
        return (Message(role="user", parts=(Text(text=decoded(str, given, "input")),)),)
    messages: list[Message] = []
    for at, raw in enumerate(decoded(list[Raw], given, "input")):
        message = _read_item(raw, f"input[{at}]")
        if message is None:
            continue
        if messages and message.role in _JOINED and messages[-1].role == message.role:
            messages[-1] = Message(role=message.role, parts=messages[-1].parts + message.parts)
        else:
            messages.append(message)
    return tuple(messages)


def _read_item(raw: Raw, place: str) -> Message | None:
    head = decoded(ItemType, raw, place)
    match head.type or (_MESSAGE if head.role is not None else "item_reference"):
        case "message":
            return _read_message(decoded(MessageItem, raw, place), place)
        case "function_call":
            call = decoded(FunctionCall, raw, place)
            return _assistant(ToolCall(id=call.call_id, name=call.name, arguments=call.arguments))
        case "function_call_output":
            return _read_result(decoded(FunctionCallOutput, raw, place), place)
        case "reasoning":
            item = decoded(ReasoningItem, raw, place)
            thought = read_thought(item.summary, item.content or (), item.encrypted_content)
            return None if thought is None else _assistant(thought)
        case "item_reference":
            what = "a reference to an item that another API keeps; send the item itself"
            raise UnsupportedField(f"{place} is {what}", param=place)
        case kind:
            raise UnsupportedField(
                f"{place}.type: {kind[:100]!r} has no equal in another dialect", param=f"{place}.type"
            )


def _assistant(part: Part) -> Message:
    return Message(role="assistant", parts=(part,))


def _read_message(item: MessageItem, place: str) -> Message:
    if isinstance(item.content, str):
        return Message(role=item.role, parts=(Text(text=item.content),))
    parts = tuple(read_part(part, f"{place}.content[{at}]") for at, part in enumerate(item.content))
    return Message(role=item.role, parts=parts)


def _read_result(item: FunctionCallOutput, place: str) -> Message:
    content: tuple[Text | Image | File, ...] = ()
    if isinstance(item.output, str):
        content = (Text(text=item.output),)
    else:
        parts = (read_part(part, f"{place}.output[{at}]") for at, part in enumerate(item.output))
        content = tuple(part for part in parts if isinstance(part, Text | Image | File))
    return Message(role="tool", parts=(ToolResult(call_id=item.call_id, content=content),))


def decoded(kind: type[T], raw: Raw, place: str) -> T:
    """``raw`` as ``kind``; errors name the field below ``place``, and a kind of content nobody knows is unsupported."""
    try:
        return decode(kind, bytes(raw))
    except BadRequest as error:
        reason = error.message.removeprefix("the request body: ")
        message = f"{place}.{reason}" if error.param else f"{place}: {reason}"
        param = f"{place}.{error.param}" if error.param else place
        unknown = param.endswith(".type") and ": invalid value" in message
        raise (UnsupportedField if unknown else type(error))(message, param=param) from None


def write_items(messages: Iterable[Message]) -> Iterator[Block]:
    """The items that say ``messages``. Raises UnsupportedField, naming the canonical message."""
    for at, message in enumerate(messages):
        place = f"messages[{at}]"
        if message.name is not None and message.role != "tool":
            raise UnsupportedField(f"{place}.name: the Responses API's messages carry no name", param=f"{place}.name")
        if message.role == "tool":
            yield from (_write_result(part, place) for part in message.parts)
        elif message.role == "assistant":
            yield from _write_assistant(message.parts, place)
        else:
            yield {"type": _MESSAGE, "role": message.role, "content": _write_content(message.parts, place)}


def _write_content(parts: Sequence[Part], place: str) -> str | list[ContentPart]:
    match parts:
        case [Text(text=text, cache=None)]:
            return text
        case _:
            return [write_input_part(part, f"{place}.content[{at}]") for at, part in enumerate(parts)]


def _write_assistant(parts: Sequence[Part], place: str) -> Iterator[Block]:
    said: list[Text | Refusal] = []
    for part in parts:
        if isinstance(part, Text | Refusal):
            said.append(part)
            continue
        if said:
            yield _write_said(said)
            said = []
        yield _write_deed(part, place)
    if said or not parts:
        yield _write_said(said)


def _write_said(parts: Sequence[Text | Refusal]) -> Block:
    match parts:
        case [Text(text=text, citations=None)]:
            content: object = text
        case _:
            content = [write_output_part(part) for part in parts]
    return {"type": _MESSAGE, "role": "assistant", "content": content}


def _write_deed(part: Part, place: str) -> Block:
    match part:
        case Thinking() | RedactedThinking():
            return write_thought(part)
        case ToolCall():
            return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
        case _:
            raise UnsupportedField(f"{place}: a part of this kind has no place in an assistant's turn", param=place)


def _write_result(part: Part, place: str) -> Block:
    if not isinstance(part, ToolResult):
        raise UnsupportedField(f"{place}: a tool message holds tool results only", param=place)
    match content := told_result(part):
        case (Text(text=text, cache=None),):
            output: object = text
        case _:
            output = [write_input_part(item, place) for item in content]
    return {"type": "function_call_output", "call_id": part.call_id, "output": output}
