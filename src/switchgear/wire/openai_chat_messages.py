"""The messages of an OpenAI chat request, both ways.

Consecutive ``tool`` messages are one canonical message. Legacy ``function_call`` and ``function`` messages are read
as tool calls and results, paired by order, and written as what replaced them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, cast

from msgspec import Struct

from switchgear.kernel.chat import Audio, File, Image, Message, Part, Refusal, Role, Text, ToolCall, ToolResult
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.openai_chat_parts import (
    CacheControl,
    CalledFunction,
    Citations,
    ContentPart,
    ThinkingBlock,
    WireToolCall,
    read_cache,
    read_citations,
    read_part,
    read_thinking,
    read_tool_calls,
    told_result,
    write_cache,
    write_citations,
    write_part,
    write_thinking,
    write_tool_calls,
)


class AudioReference(Struct, omit_defaults=True):
    """Audio the model made earlier; clients that replay the whole object are understood."""

    id: str


class WireMessage(Struct, omit_defaults=True, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[WireToolCall] | None = None
    function_call: CalledFunction | None = None
    tool_call_id: str | None = None
    audio: AudioReference | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    annotations: Citations | None = None
    citations: Citations | None = None
    cache_control: CacheControl | None = None


def read_messages(messages: Sequence[WireMessage]) -> tuple[Message, ...]:
    """The canonical messages. Raises BadRequest or UnsupportedField, naming the message."""
    read: list[Message] = []
    legacy_calls = 0
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        if message.role == "assistant" and message.function_call is not None:
            legacy_calls += 1
        one = _read_message(message, param, f"call_legacy_{legacy_calls}")
        previous = read[-1] if read else None
        if previous is not None and _joins(previous, one):
            read[-1] = Message(role="tool", parts=previous.parts + one.parts)
        else:
            read.append(one)
    return tuple(read)


def _joins(previous: Message, message: Message) -> bool:
    return previous.role == message.role == "tool" and previous.name is None and message.name is None


def _read_message(message: WireMessage, param: str, legacy_id: str) -> Message:
    if message.role == "function":
        parts: list[Part] = [_read_result(message, legacy_id, param)]
        return Message(role="tool", parts=tuple(parts))
    if message.role == "tool":
        if message.tool_call_id is None:
            raise BadRequest(f"{param}: a tool message needs a tool_call_id", param=f"{param}.tool_call_id")
        return Message(role="tool", parts=(_read_result(message, message.tool_call_id, param),), name=message.name)
    parts = read_thinking(message.reasoning_content or message.reasoning, message.thinking_blocks)
    parts += _read_content(message, param)
    if message.refusal is not None:
        parts.append(Refusal(text=message.refusal))
    if message.audio is not None:
        parts.append(Audio(id=message.audio.id))
    if message.tool_calls is not None:
        parts += read_tool_calls(message.tool_calls)
    if message.function_call is not None:
        call = message.function_call
        parts.append(ToolCall(id=legacy_id, name=call.name or "", arguments=call.arguments or ""))
    return Message(role=cast("Role", message.role), parts=tuple(parts), name=message.name)


def _read_content(message: WireMessage, param: str) -> list[Part]:
    cache = read_cache(message.cache_control)
    citations = read_citations(message.annotations, message.citations)
    if isinstance(message.content, str):
        return [Text(text=message.content, cache=cache, citations=citations)]
    parts = [read_part(part, f"{param}.content[{at}]") for at, part in enumerate(message.content or ())]
    if cache is None and citations is None:
        return parts
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if isinstance(part, Text):
            parts[at] = Text(text=part.text, cache=part.cache or cache, citations=part.citations or citations)
            return parts
    raise UnsupportedField(f"{param}: cache_control and annotations need a text to stand at", param=param)


def _read_result(message: WireMessage, call_id: str, param: str) -> ToolResult:
    content: list[Text | Image | File] = []
    if isinstance(message.content, str):
        content.append(Text(text=message.content))
    else:
        for at, part in enumerate(message.content or ()):
            read = read_part(part, f"{param}.content[{at}]")
            if not isinstance(read, Text | Image | File):
                raise BadRequest(
                    f"{param}.content[{at}]: no such part in a tool message", param=f"{param}.content[{at}]"
                )
            content.append(read)
    return ToolResult(call_id=call_id, content=tuple(content), cache=read_cache(message.cache_control))


def write_messages(messages: Iterable[Message]) -> list[WireMessage]:
    """The wire's messages, one for each tool result. Raises UnsupportedField, naming the canonical message."""
    written: list[WireMessage] = []
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        if message.role == "tool":
            written += _write_results(message, param)
        else:
            written.append(_write_message(message, param))
    return written


def _write_results(message: Message, param: str) -> Iterator[WireMessage]:
    for part in message.parts:
        if not isinstance(part, ToolResult):
            raise UnsupportedField(f"{param}: a tool message holds tool results only", param=param)
        yield WireMessage(
            role="tool",
            tool_call_id=part.call_id,
            content=_write_content(told_result(part), param, empty_list=True),
            name=message.name,
            cache_control=write_cache(part.cache),
        )


def _write_message(message: Message, param: str) -> WireMessage:
    reasoning, blocks = write_thinking(message.parts)
    calls = write_tool_calls(message.parts)
    if message.role != "assistant" and (reasoning or blocks or calls):
        raise UnsupportedField(f"{param}: only an assistant message holds thinking and tool calls", param=param)
    content = [part for part in message.parts if isinstance(part, Text | Image | Audio | File | Refusal)]
    if any(isinstance(part, ToolResult) for part in message.parts):
        raise UnsupportedField(f"{param}: a tool result outside a tool message", param=param)
    refusal = audio = None
    last = content[-1] if content else None
    if isinstance(last, Audio) and last.id is not None:
        audio = AudioReference(id=last.id)
        content.pop()
        last = content[-1] if content else None
    if isinstance(last, Refusal) and sum(isinstance(part, Refusal) for part in content) == 1:
        refusal = last.text
        content.pop()
    texts = [part for part in content if isinstance(part, Text)]
    # Citations of a single text stand beside it, where OpenAI puts them; otherwise each text carries its own.
    plain = len(content) == len(texts) == 1
    annotations, citations = write_citations(texts) if plain else (None, None)
    return WireMessage(
        role=message.role,
        content=_write_content(content, param, empty_list=message.role != "assistant"),
        name=message.name,
        refusal=refusal,
        tool_calls=calls,
        audio=audio,
        reasoning_content=reasoning,
        thinking_blocks=blocks,
        annotations=annotations,
        citations=citations,
    )


def _write_content(parts: Sequence[Part], param: str, *, empty_list: bool) -> str | list[ContentPart] | None:
    """A string for a single text without a breakpoint; nothing is null or ``[]``."""
    match parts:
        case [Text(text=text, cache=None)]:
            return text
        case [] if not empty_list:
            return None
        case _:
            return [write_part(part, f"{param}.content[{at}]") for at, part in enumerate(parts)]
