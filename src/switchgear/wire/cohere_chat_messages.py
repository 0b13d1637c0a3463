"""The messages of a Cohere chat request, both ways.

Consecutive ``tool`` messages are one canonical message. A document that a tool returns is the text of its JSON.
Cohere caches prompts by itself (its usage tells ``cached_tokens``), so a cache breakpoint asks for nothing that would
not happen anyway, and is not written. A signature proves a thought to the vendor that signed it; Cohere is not shown
it. Nor is there a flag for a tool that failed: the text of the result says it, or is made to.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import (
    File,
    Image,
    Media,
    Message,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest
from switchgear.wire.cohere_chat_parts import (
    TextContent,
    ThinkingContent,
    WireToolCall,
    check_citations,
    own_citations,
    place_citations,
    read_calls,
    read_thinking,
    refused,
    split_plan,
    write_calls,
    write_content,
)
from switchgear.wire.json_body import decode
from switchgear.wire.openai_chat_parts import ImageUrl, read_media, told_result


class ImageContent(Struct, tag="image_url", forbid_unknown_fields=True):
    image_url: ImageUrl


class Document(Struct, forbid_unknown_fields=True):
    data: Raw
    id: str | None = None


class DocumentContent(Struct, tag="document", forbid_unknown_fields=True):
    document: Document


Content = TextContent | ThinkingContent | ImageContent | DocumentContent


class WireMessage(Struct, omit_defaults=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Content] | None = None
    tool_plan: str | None = None
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: str | None = None
    citations: list[Raw] | None = None


def read_messages(messages: Sequence[WireMessage]) -> tuple[Message, ...]:
    """The canonical messages. Raises BadRequest or UnsupportedField, naming the message."""
    read: list[Message] = []
    for position, message in enumerate(messages):
        one = _read_message(message, f"messages[{position}]")
        if read and read[-1].role == one.role == "tool":
            read[-1] = Message(role="tool", parts=read[-1].parts + one.parts)
        else:
            read.append(one)
    return tuple(read)


def _read_message(message: WireMessage, place: str) -> Message:
    if message.role == "tool":
        return Message(role="tool", parts=(_read_result(message, place),))
    if message.role != "assistant" and (message.tool_plan is not None or message.tool_calls or message.citations):
        raise BadRequest(f"{place}: only an assistant plans, calls tools and cites", param=place)
    parts = list(_read_content(message.content, place))
    plan_at = None
    if message.tool_plan is not None:
        plan_at = len(parts)
        parts.append(Text(text=message.tool_plan))
    parts = place_citations(parts, message.citations, plan_at)
    parts += read_calls(message.tool_calls)
    return Message(role=message.role, parts=tuple(parts))


def _read_content(content: str | list[Content] | None, place: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(text=content)
        return
    for at, block in enumerate(content or ()):
        match block:
            case TextContent():
                yield Text(text=block.text)
            case ImageContent():
                yield Image(source=read_media(block.image_url.url), detail=block.image_url.detail)
            case ThinkingContent():
                yield read_thinking(block)
            case DocumentContent():
                param = f"{place}.content[{at}]"
                raise refused(param, "a document outside a tool's answer belongs into documents")


def _read_result(message: WireMessage, place: str) -> ToolResult:
    if message.tool_call_id is None:
        raise BadRequest(f"{place}: a tool message needs a tool_call_id", param=f"{place}.tool_call_id")
    content: list[Text | Image | File] = []
    if isinstance(message.content, str):
        content.append(Text(text=message.content))
    else:
        for at, block in enumerate(message.content or ()):
            if not isinstance(block, TextContent | DocumentContent):
                param = f"{place}.content[{at}]"
                raise BadRequest(f"{param}: a tool answers with text and documents", param=param)
            content.append(Text(text=block.text if isinstance(block, TextContent) else _document_text(block.document)))
    return ToolResult(call_id=message.tool_call_id, content=tuple(content))


def _document_text(document: Document) -> str:
    """The document's data; with its id, where it has one, for that is how citations name it."""
    if document.id is not None:
        return json.encode({"id": document.id, "data": document.data}).decode()
    data = bytes(document.data)
    return decode(str, data) if data.startswith(b'"') else data.decode()


def write_messages(messages: Iterable[Message]) -> list[WireMessage]:
    """The wire's messages, one for each tool result. Raises UnsupportedField, naming the canonical message."""
    written: list[WireMessage] = []
    for position, message in enumerate(messages):
        place = f"messages[{position}]"
        if message.name is not None and message.role != "tool":
            raise refused(f"{place}.name", "Cohere's messages carry no name")
        if message.role == "tool":
            written += _write_results(message, place)
        elif message.role == "assistant":
            written.append(_write_assistant(message, place))
        else:
            written.append(_write_prompt(message, place))
    return written


def _write_results(message: Message, place: str) -> Iterator[WireMessage]:
    for part in message.parts:
        if not isinstance(part, ToolResult):
            raise refused(f"{place}.content", "a tool message holds tool results only")
        content = told_result(part)
        texts = [item for item in content if isinstance(item, Text)]
        if len(texts) != len(content):
            raise refused(f"{place}.content", "Cohere's tools answer with text only")
        yield WireMessage(role="tool", tool_call_id=part.call_id, content=_plain(texts))


def _write_assistant(message: Message, place: str) -> WireMessage:
    for part in message.parts:
        if isinstance(part, RedactedThinking):
            raise refused(f"{place}.content", "redacted thinking can be read by the vendor alone that wrote it")
        if not isinstance(part, Text | Refusal | Thinking | ToolCall):
            raise refused(f"{place}.content", f"an assistant of Cohere's says no {type(part).__name__}")
    check_citations(message.parts, place)
    others, plan = split_plan(message.parts)
    blocks = [_unsigned(block) for part in others if (block := write_content(part)) is not None]
    return WireMessage(
        role="assistant",
        content=_shortest(blocks),
        tool_plan=None if plan is None else plan.text,
        tool_calls=write_calls(message.parts),
        citations=own_citations(message.parts) or None,
    )


def _unsigned(block: Content) -> Content:
    return ThinkingContent(thinking=block.thinking) if isinstance(block, ThinkingContent) else block


def _write_prompt(message: Message, place: str) -> WireMessage:
    blocks: list[Content] = []
    for at, part in enumerate(message.parts):
        param = f"{place}.content[{at}]"
        if isinstance(part, Text):
            check_citations((part,), place)
            blocks.append(TextContent(text=part.text))
        elif isinstance(part, Image) and message.role == "user":
            blocks.append(ImageContent(image_url=ImageUrl(url=_url(part.source, param), detail=part.detail)))
        else:
            raise refused(param, f"a {message.role} message of Cohere's holds no {type(part).__name__}")
    return WireMessage(role="user" if message.role == "user" else "system", content=_shortest(blocks) or "")


def _plain(texts: Sequence[Text]) -> str | list[Content]:
    return _shortest([TextContent(text=text.text) for text in texts]) or ""


def _shortest(blocks: list[Content]) -> str | list[Content] | None:
    """A string where one text says all; None where there is nothing."""
    match blocks:
        case []:
            return None
        case [TextContent(text=text)]:
            return text
        case _:
            return blocks


def _url(source: Media, param: str) -> str:
    if source.data is not None:
        return f"data:{source.media_type or ''};base64,{source.data}"
    if source.url is not None:
        return source.url
    raise refused(param, "Cohere takes images by URL or as data, not by file id")
