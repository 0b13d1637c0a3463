"""What the simulator's models say, as message parts; pure, and cut to what the request allows."""

from base64 import b64encode
from hashlib import sha256
from itertools import chain, cycle, islice, takewhile
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.chat import (
    Audio,
    Chat,
    File,
    Finish,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.ids import Ids
from switchgear.providers.simulator.catalogue import Manner
from switchgear.providers.simulator.schema_example import example_of
from switchgear.providers.simulator.script import Script
from switchgear.providers.simulator.words import count_tokens, split_tokens, text_of

LOREM: Final = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo "
    "consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur."
)
_LOREM_TOKENS: Final = 64
_SILENT_USER: Final = "(the last message has no text)"


class Answer(Struct, frozen=True, kw_only=True):
    parts: tuple[Part, ...]
    finish: Finish
    stop_sequence: str | None = None


def answer(script: Script, chat: Chat, ids: Ids) -> Answer:
    """What the script's model says to ``chat``; raises BadRequest for what a vendor would refuse."""
    parts = _parts(script.model.manner, chat, script.parameters.tokens, ids)
    finish = script.model.finish
    if any(isinstance(part, ToolCall) for part in parts):
        finish = "tool_calls"
    return _limited(_stopped(Answer(parts=parts, finish=finish), chat.stop), chat.max_output_tokens)


def _parts(manner: Manner, chat: Chat, tokens: int | None, ids: Ids) -> tuple[Part, ...]:
    match manner:
        case "echo":
            return _rest_of(_resized(_last_words(chat), tokens), chat)
        case "lorem":
            return _rest_of(_resized(LOREM, tokens or _LOREM_TOKENS), chat)
        case "tools":
            return _use_tools(chat, ids)
        case "think":
            return _think(chat, tokens)
        case "json":
            return (Text(text=_structured(chat)),)
        case "media":
            return (Text(text=_describe_media(chat)),)
        case "refuse":
            return (Refusal(text="I am a simulator that refuses everything."),)
        case "vectors" | "ranks":
            raise BadRequest("this model of the simulator answers no chats", param="model")


def _rest_of(text: str, chat: Chat) -> tuple[Text, ...]:
    """The text, or what is missing of it when the conversation ends with its beginning (prefill)."""
    last = chat.messages[-1] if chat.messages else None
    begun = text_of(last) if last is not None and last.role == "assistant" else ""
    return (Text(text=text.removeprefix(begun)),)


def _last_words(chat: Chat) -> str:
    spoken = (text_of(message) for message in reversed(chat.messages) if message.role == "user")
    return next((text for text in spoken if text), _SILENT_USER)


def _resized(text: str, tokens: int | None) -> str:
    """The text over and over, cut after ``tokens`` tokens; None leaves it alone."""
    if tokens is None:
        return text
    first = split_tokens(text)
    again = split_tokens(f" {text}")
    return "".join(islice(chain(first, cycle(again)), tokens))


def _use_tools(chat: Chat, ids: Ids) -> tuple[Part, ...]:
    choice = chat.tool_choice
    results = [part for part in _latest_parts(chat) if isinstance(part, ToolResult)]
    if results:
        said = (" ".join(part.text for part in result.content if isinstance(part, Text)) for result in results)
        return (Text(text=f"The tools answered: {'; '.join(said)}"),)
    if not chat.tools or (choice is not None and choice.mode == "none"):
        return (Text(text="I was offered no tools."),)
    wanted = [tool for tool in chat.tools if choice is None or choice.mode != "named" or tool.name == choice.name]
    if not wanted:
        raise BadRequest("tool_choice names a tool that is not offered", param="tool_choice")
    if chat.parallel_tool_calls is False:
        del wanted[1:]
    return tuple(
        ToolCall(id=f"sim-{ids.new()}", name=tool.name, arguments=_arguments(example_of(tool.parameters)))
        for tool in wanted
    )


def _latest_parts(chat: Chat) -> list[Part]:
    """The parts of the messages after the assistant's last turn."""
    latest = takewhile(lambda message: message.role != "assistant", reversed(chat.messages))
    return [part for message in reversed(list(latest)) for part in message.parts]


def _arguments(example: str) -> str:
    return example if example.startswith("{") else "{}"


def _think(chat: Chat, tokens: int | None) -> tuple[Part, ...]:
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, Thinking) and part.signature != _signature(part.text):
                raise BadRequest("a thinking part came back changed: its signature does not fit it", param="messages")
    words = _last_words(chat)
    thought = f"The user said {len(split_tokens(words))} words. I shall repeat them."
    return Thinking(text=thought, signature=_signature(thought)), Text(text=_resized(words, tokens))


def _signature(thought: str) -> str:
    return b64encode(sha256(f"simulator:{thought}".encode()).digest()).decode()


def _structured(chat: Chat) -> str:
    wanted = chat.response_format
    return example_of(wanted.schema) if wanted is not None and wanted.kind == "json_schema" else "{}"


def _describe_media(chat: Chat) -> str:
    parts = (part for message in chat.messages for part in message.parts)
    nested = (inner for part in parts for inner in (part.content if isinstance(part, ToolResult) else (part,)))
    seen = [description for part in nested if (description := _media(part))]
    return f"I was sent {len(seen)} media: {'; '.join(seen)}" if seen else "I was sent no media."


def _media(part: Part) -> str | None:
    match part:
        case Image() | File():
            source = part.source
            form = f"{len(source.data)} base64 characters" if source.data is not None else source.url or source.file_id
            kind = "image" if isinstance(part, Image) else "file"
            return f"{kind} ({source.media_type or 'unknown type'}, {form})"
        case Audio():
            return f"audio ({part.format}, {len(part.data)} base64 characters)"
        case _:
            return None


def _stopped(whole: Answer, stops: tuple[str, ...]) -> Answer:
    """The answer up to the first stop sequence in its texts."""
    kept: list[Part] = []
    for part in whole.parts:
        found = [(at, stop) for stop in stops if stop and isinstance(part, Text) and (at := part.text.find(stop)) >= 0]
        if found and isinstance(part, Text):
            at, stop = min(found)
            kept.append(Text(text=part.text[:at]))
            return Answer(parts=tuple(kept), finish="stop_sequence", stop_sequence=stop)
        kept.append(part)
    return whole


def _limited(whole: Answer, limit: int | None) -> Answer:
    """The answer up to its first ``limit`` tokens."""
    if limit is None or count_tokens(whole.parts) <= limit:
        return whole
    kept: list[Part] = []
    for part in whole.parts:
        if limit <= 0:
            break
        kept.append(_cut(part, limit))
        limit -= count_tokens((part,))
    return Answer(parts=tuple(kept), finish="length")


def _cut(part: Part, limit: int) -> Part:
    match part:
        case Text() | Refusal():
            return replace(part, text="".join(split_tokens(part.text)[:limit]))
        case Thinking():
            thought = "".join(split_tokens(part.text)[:limit])
            return Thinking(text=thought, signature=_signature(thought))
        case ToolCall():
            return replace(part, arguments="".join(split_tokens(part.arguments)[:limit]))
        case _:
            return part
