"""Anthropic's content blocks in requests, both ways.

Reading forbids fields it does not know, so that nothing a client said is lost between two dialects. A block kind
without an equal (server tools, search results) is refused by name.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Final, Literal, cast

from msgspec import DecodeError, Raw, Struct, json

from switchgear.kernel.chat import (
    CacheTtl,
    File,
    Image,
    Media,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.json_body import ABSENT, said

Block = dict[str, object]

PLAIN_TEXT: Final = "text/plain"
DEFAULT_CACHE_TTL: Final = "5m"
_LOCATION: Final = "_location"
_NO_CITATIONS: Final = b"[]"


class CacheControl(Struct, tag="ephemeral", tag_field="type", forbid_unknown_fields=True):
    ttl: CacheTtl | None = None


class Base64Source(Struct, tag="base64", tag_field="type", forbid_unknown_fields=True):
    data: str
    media_type: str


class UrlSource(Struct, tag="url", tag_field="type", forbid_unknown_fields=True):
    url: str


class FileSource(Struct, tag="file", tag_field="type", forbid_unknown_fields=True):
    file_id: str


class TextSource(Struct, tag="text", tag_field="type", forbid_unknown_fields=True):
    data: str
    media_type: Literal["text/plain"] = "text/plain"


class CitationSwitch(Struct, forbid_unknown_fields=True):
    enabled: bool | None = None


class DirectCaller(Struct, tag="direct", tag_field="type", forbid_unknown_fields=True):
    """The model itself called the tool, not a program it wrote."""


class TextBlock(Struct, tag="text", tag_field="type", forbid_unknown_fields=True):
    text: str
    cache_control: CacheControl | None = None
    citations: Raw = ABSENT


class ImageBlock(Struct, tag="image", tag_field="type", forbid_unknown_fields=True):
    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None


class DocumentBlock(Struct, tag="document", tag_field="type", forbid_unknown_fields=True):
    source: Base64Source | UrlSource | FileSource | TextSource
    title: str | None = None
    citations: CitationSwitch | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Struct, tag="thinking", tag_field="type", forbid_unknown_fields=True):
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Struct, tag="redacted_thinking", tag_field="type", forbid_unknown_fields=True):
    data: str


class ToolUseBlock(Struct, tag="tool_use", tag_field="type", forbid_unknown_fields=True):
    id: str
    name: str
    input: Raw
    caller: DirectCaller | None = None
    cache_control: CacheControl | None = None


class ToolResultBlock(Struct, tag="tool_result", tag_field="type", forbid_unknown_fields=True):
    tool_use_id: str
    content: str | list[TextBlock | ImageBlock | DocumentBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


ContentBlock = (
    TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock
)


def read_cache(control: CacheControl | None) -> CacheTtl | None:
    """The time to live of a cache breakpoint; Anthropic's own default is five minutes."""
    return None if control is None else control.ttl or DEFAULT_CACHE_TTL


def read_block(block: ContentBlock, place: str) -> Part:
    """One block as a part; ``place`` names it in errors. Raises BadRequest or UnsupportedField."""
    match block:
        case TextBlock():
            return read_text(block)
        case ImageBlock():
            return Image(source=_media(block.source), cache=read_cache(block.cache_control))
        case DocumentBlock():
            return _read_document(block, place)
        case ThinkingBlock():
            return Thinking(text=block.thinking, signature=block.signature or None)
        case RedactedThinkingBlock():
            return RedactedThinking(data=block.data)
        case ToolUseBlock():
            return _read_tool_use(block, place)
        case _:
            return _read_tool_result(block, place)


def read_text(block: TextBlock) -> Text:
    citations = said(block.citations)
    if citations is not None and bytes(citations) == _NO_CITATIONS:
        citations = None
    return Text(text=block.text, cache=read_cache(block.cache_control), citations=citations)


def _media(source: Base64Source | UrlSource | FileSource) -> Media:
    if isinstance(source, Base64Source):
        return Media(data=source.data, media_type=source.media_type)
    return Media(url=source.url) if isinstance(source, UrlSource) else Media(file_id=source.file_id)


def _read_document(block: DocumentBlock, place: str) -> File:
    if block.citations is not None and block.citations.enabled:
        field = f"{place}.citations"
        raise UnsupportedField(f"{field}: documents cannot be cited in another dialect", param=field)
    source = block.source
    if isinstance(source, TextSource):
        media = Media(data=b64encode(source.data.encode()).decode(), media_type=PLAIN_TEXT)
    else:
        media = _media(source)
    return File(source=media, filename=block.title, cache=read_cache(block.cache_control))


def _read_tool_use(block: ToolUseBlock, place: str) -> ToolCall:
    arguments = bytes(block.input).decode()
    if not arguments.startswith("{"):
        raise BadRequest(f"{place}.input must be an object", param=f"{place}.input")
    return ToolCall(id=block.id, name=block.name, arguments=arguments, cache=read_cache(block.cache_control))


def _read_tool_result(block: ToolResultBlock, place: str) -> ToolResult:
    if isinstance(block.content, str):
        content: tuple[Text | Image | File, ...] = (Text(text=block.content),) if block.content else ()
    else:
        blocks = block.content or []
        parts = (read_block(item, f"{place}.content[{at}]") for at, item in enumerate(blocks))
        content = tuple(part for part in parts if isinstance(part, Text | Image | File))
    return ToolResult(
        call_id=block.tool_use_id,
        content=content,
        is_error=bool(block.is_error),
        cache=read_cache(block.cache_control),
    )


def write_block(part: Part, place: str) -> Block:
    """One part as a block; ``place`` names it in errors.

    A refusal of an earlier answer goes back as plain text: the dialect has no block for it.
    Raises UnsupportedField for audio and for what lacks what the dialect demands.
    """
    match part:
        case Text():
            return _write_text(part, place)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Image():
            return _write_image(part, place)
        case File():
            return _write_file(part, place)
        case Thinking():
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        case RedactedThinking():
            return {"type": "redacted_thinking", "data": part.data}
        case ToolCall():
            block: Block = {"type": "tool_use", "id": part.id, "name": part.name, "input": _write_input(part, place)}
            return block | write_cache(part.cache)
        case ToolResult():
            return _write_tool_result(part, place)
        case _:
            raise refused(place, "audio has no equal in Anthropic's dialect")


def write_cache(cache: CacheTtl | None) -> Block:
    """The member that sets a cache breakpoint; five minutes is the default and is not spelled out."""
    if cache is None:
        return {}
    control = {"type": "ephemeral"} if cache == DEFAULT_CACHE_TTL else {"type": "ephemeral", "ttl": cache}
    return {"cache_control": control}


def write_contents(parts: Sequence[tuple[Part, str]]) -> str | list[Block]:
    """The content of a turn, from parts and their places: a string where one plain text says all, else blocks.

    A text without characters is left out, since the dialect refuses it; alone, it stays an empty string.
    """
    match parts:
        case [(Text(text=plain, cache=None, citations=None), _)]:
            return plain
        case _:
            blocks = [write_block(part, place) for part, place in parts]
    kept = [block for block in blocks if block.get("text") != "" or "cache_control" in block]
    if not kept:
        return ""
    only = kept[0]
    return cast("str", only["text"]) if len(kept) == 1 and only.keys() == {"type", "text"} else kept


def refused(param: str, reason: str) -> UnsupportedField:
    """The error for what Anthropic's dialect cannot say."""
    return UnsupportedField(f"{param}: {reason}", param=param)


def _write_text(part: Text, place: str) -> Block:
    block: Block = {"type": "text", "text": part.text}
    if part.citations is not None:
        citations = own_citations(part.citations)
        if len(citations) != len(json.decode(part.citations, type=list[Raw])):
            raise refused(f"{place}.annotations", "annotations of another dialect cannot be sent back to Anthropic")
        block["citations"] = citations
    return block if part.cache is None else block | write_cache(part.cache)


def own_citations(citations: Raw) -> list[Raw]:
    """Those of a text's citations that Anthropic itself wrote: all its kinds are locations."""
    return [item for item in json.decode(citations, type=list[Raw]) if is_own_citation(bytes(item))]


def is_own_citation(citation: bytes) -> bool:
    found: object = json.decode(citation)
    kind = cast("Block", found).get("type") if isinstance(found, dict) else None
    return isinstance(kind, str) and kind.endswith(_LOCATION)


def _write_image(part: Image, place: str) -> Block:
    if part.detail == "low":
        raise refused(
            f"{place}.image_url.detail", "Anthropic's models cannot be told to look at an image in low detail"
        )
    return {"type": "image", "source": _write_source(part.source, place)} | write_cache(part.cache)


def _write_file(part: File, place: str) -> Block:
    media = part.source
    if media.data is not None and media.media_type == PLAIN_TEXT:
        source: Block = {"type": "text", "media_type": PLAIN_TEXT, "data": _plain_text(media.data, place)}
    else:
        source = _write_source(media, place)
    block: Block = {"type": "document", "source": source}
    if part.filename is not None:
        block["title"] = part.filename
    return block | write_cache(part.cache)


def _plain_text(data: str, place: str) -> str:
    try:
        return b64decode(data, validate=True).decode()
    except (Base64Error, UnicodeDecodeError):
        raise BadRequest(f"{place}: a text file must be UTF-8 in base64", param=place) from None


def _write_source(media: Media, place: str) -> Block:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if not media.media_type:
        raise refused(place, "Anthropic must be told the media type of base64 data")
    return {"type": "base64", "media_type": media.media_type, "data": media.data or ""}


def _write_tool_result(part: ToolResult, place: str) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": part.call_id}
    content = write_contents([(item, place) for item in part.content])
    if content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block | write_cache(part.cache)


def _write_input(call: ToolCall, place: str) -> Raw:
    if not call.arguments.strip():
        return Raw(b"{}")
    written = as_input(call.arguments)
    if written is None:
        raise refused(f"{place}.arguments", f"the arguments of the call {call.id} of {call.name} are not a JSON object")
    return written


def as_input(arguments: str) -> Raw | None:
    """A tool call's arguments as they came, when they are a JSON object; else None."""
    encoded = arguments.strip().encode("utf-8", "surrogatepass")
    try:
        json.decode(encoded, type=dict[str, object])
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Raw(encoded)
