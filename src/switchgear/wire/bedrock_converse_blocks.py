"""Converse's content blocks in requests, both ways.

A block is an object with one member, whose name is its kind. Reading forbids members it does not know, so that a kind
without an equal (video, guarded content, search results, server tools) is refused by name. A cache breakpoint is a
block of its own here, after the block it belongs to, and a property of that part in canonical form.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, cast

from msgspec import Raw, Struct, json, structs

from switchgear.kernel.chat import (
    Audio,
    CacheTtl,
    File,
    Image,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest
from switchgear.wire.anthropic_blocks import as_input
from switchgear.wire.bedrock_converse_media import (
    Block,
    WireAudio,
    WireDocument,
    WireImage,
    is_base64,
    read_audio,
    read_document,
    read_image,
    refused,
    write_audio,
    write_document,
    write_image,
)
from switchgear.wire.json_body import ABSENT, said

DEFAULT_CACHE_TTL: Final = "5m"
_CITATION_FIELDS: Final = frozenset(("title", "source", "sourceContent", "location"))

Placed = tuple[Part, str]
"""A part, and the place that names it in errors."""


class CachePoint(Struct, forbid_unknown_fields=True):
    type: Literal["default"]
    ttl: CacheTtl | None = None

    def cache(self) -> CacheTtl:
        """The time to live; five minutes when not said."""
        return self.ttl or DEFAULT_CACHE_TTL


class ToolUse(Struct, rename="camel", forbid_unknown_fields=True):
    tool_use_id: str
    name: str
    input: Raw


class ResultBlock(Struct, forbid_unknown_fields=True):
    json: Raw = ABSENT
    text: str | None = None
    image: WireImage | None = None
    document: WireDocument | None = None


class WireToolResult(Struct, rename="camel", forbid_unknown_fields=True):
    tool_use_id: str
    content: list[ResultBlock]
    status: Literal["success", "error"] | None = None


class ReasoningText(Struct, forbid_unknown_fields=True):
    text: str
    signature: str | None = None


class ReasoningContent(Struct, rename="camel", forbid_unknown_fields=True):
    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class GeneratedText(Struct, forbid_unknown_fields=True):
    text: str


class CitationsContent(Struct, forbid_unknown_fields=True):
    content: list[GeneratedText] = []
    citations: list[Raw] = []


class ContentBlock(Struct, rename="camel", forbid_unknown_fields=True):
    """One of the members is set."""

    text: str | None = None
    image: WireImage | None = None
    document: WireDocument | None = None
    audio: WireAudio | None = None
    tool_use: ToolUse | None = None
    tool_result: WireToolResult | None = None
    reasoning_content: ReasoningContent | None = None
    citations_content: CitationsContent | None = None
    cache_point: CachePoint | None = None


def read_content(blocks: Sequence[ContentBlock], place: str) -> tuple[Part, ...]:
    """The parts of a turn; ``place`` names it in errors. Raises BadRequest or UnsupportedField."""
    parts: list[Part] = []
    for at, block in enumerate(blocks):
        where = f"{place}[{at}]"
        kinds = [name for name in ContentBlock.__struct_fields__ if getattr(block, name) is not None]
        if len(kinds) != 1:
            raise BadRequest(f"{where} must hold exactly one kind of content", param=where)
        if block.cache_point is None:
            parts.append(_read_block(block, where))
        else:
            parts[-1:] = [_cached(parts[-1:], block.cache_point, f"{where}.cachePoint")]
    return tuple(parts)


def _cached(before: list[Part], point: CachePoint, place: str) -> Part:
    part = before[0] if before else None
    if not isinstance(part, Text | Image | File | ToolCall | ToolResult):
        raise refused(place, "a cache point has an equal elsewhere only after text, media, a tool's use or result")
    return structs.replace(part, cache=point.cache())


def _read_block(block: ContentBlock, place: str) -> Part:
    if block.text is not None:
        return Text(text=block.text)
    if block.tool_use is not None:
        return _read_tool_use(block.tool_use, place)
    if block.tool_result is not None:
        return _read_tool_result(block.tool_result, f"{place}.toolResult")
    if block.reasoning_content is not None:
        return _read_reasoning(block.reasoning_content, f"{place}.reasoningContent")
    if block.citations_content is not None:
        return read_citations_content(block.citations_content)
    if block.image is not None:
        return read_image(block.image, f"{place}.image")
    if block.document is not None:
        return read_document(block.document, f"{place}.document")
    return read_audio(cast("WireAudio", block.audio), f"{place}.audio")


def _read_tool_use(wire: ToolUse, place: str) -> ToolCall:
    arguments = bytes(wire.input).decode()
    if not arguments.startswith("{"):
        raise BadRequest(f"{place}.toolUse.input must be an object", param=f"{place}.toolUse.input")
    return ToolCall(id=wire.tool_use_id, name=wire.name, arguments=arguments)


def _read_tool_result(wire: WireToolResult, place: str) -> ToolResult:
    content = tuple(_read_result(block, f"{place}.content[{at}]") for at, block in enumerate(wire.content))
    return ToolResult(call_id=wire.tool_use_id, content=content, is_error=wire.status == "error")


def _read_result(block: ResultBlock, place: str) -> Text | Image | File:
    """A result in JSON is the text of that JSON: other dialects know no difference."""
    if block.text is not None:
        return Text(text=block.text)
    if block.image is not None:
        return read_image(block.image, f"{place}.image")
    if block.document is not None:
        return read_document(block.document, f"{place}.document")
    value = said(block.json)
    return Text(text="null" if value is None else bytes(value).decode())


def _read_reasoning(wire: ReasoningContent, place: str) -> Thinking | RedactedThinking:
    if wire.reasoning_text is not None:
        return Thinking(text=wire.reasoning_text.text, signature=wire.reasoning_text.signature or None)
    if wire.redacted_content is not None:
        return RedactedThinking(data=wire.redacted_content)
    raise BadRequest(f"{place} must hold reasoningText or redactedContent", param=place)


def read_citations_content(wire: CitationsContent) -> Text:
    """A text with what it cites, as Converse writes it."""
    citations = Raw(json.encode(wire.citations)) if wire.citations else None
    return Text(text="".join(piece.text for piece in wire.content), citations=citations)


def write_content(parts: Iterable[Placed]) -> list[Block]:
    """The blocks of a turn. Raises UnsupportedField.

    A text without characters is left out, since the API refuses it; alone, it stays, for the API to judge.
    """
    blocks: list[Block] = []
    for part, place in parts:
        if not (isinstance(part, Text) and not part.text):
            blocks.append(_write_block(part, place))
        cache = _cache_of(part)
        if cache is not None and blocks:
            blocks.append(write_cache(cache))
    return blocks or [{"text": ""}]


def write_cache(cache: CacheTtl) -> Block:
    """A cache breakpoint; five minutes is the default and is not spelled out."""
    point = {"type": "default"} if cache == DEFAULT_CACHE_TTL else {"type": "default", "ttl": cache}
    return {"cachePoint": point}


def _cache_of(part: Part) -> CacheTtl | None:
    """A breakpoint inside a tool's result moves to its end: there is no place for it in between."""
    if isinstance(part, ToolResult):
        inner: list[CacheTtl] = [item.cache for item in part.content if item.cache is not None]
        return inner[-1] if part.cache is None and inner else part.cache
    return part.cache if isinstance(part, Text | Image | File | ToolCall) else None


def _write_block(part: Part, place: str) -> Block:
    match part:
        case Text():
            return _write_text(part, place)
        case Refusal():
            return {"text": part.text}
        case Thinking():
            return write_thinking(part)
        case RedactedThinking():
            if not is_base64(part.data):
                raise refused(place, "redacted thinking of another origin cannot be sent to Bedrock")
            return {"reasoningContent": {"redactedContent": part.data}}
        case ToolCall():
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": _write_input(part, place)}}
        case ToolResult():
            return _write_tool_result(part, place)
        case _:
            return _write_media(part, place)


def _write_media(part: Image | File | Audio, place: str) -> Block:
    match part:
        case Image():
            return write_image(part, place)
        case File():
            return write_document(part, place)
        case Audio():
            return write_audio(part, place)


def write_thinking(part: Thinking) -> Block:
    """A thought; its signature, where it has one, byte for byte."""
    thought = {"text": part.text} if part.signature is None else {"text": part.text, "signature": part.signature}
    return {"reasoningContent": {"reasoningText": thought}}


def _write_text(part: Text, place: str) -> Block:
    if part.citations is None:
        return {"text": part.text}
    citations = own_citations(part.citations)
    if len(citations) != len(json.decode(part.citations, type=list[Raw])):
        raise refused(f"{place}.annotations", "annotations of another dialect cannot be sent back to Bedrock")
    return write_citations_content(part.text, citations)


def write_citations_content(text: str, citations: list[Raw]) -> Block:
    """A text with what it cites; a plain text when it cites nothing."""
    return {"citationsContent": {"content": [{"text": text}], "citations": citations}} if citations else {"text": text}


def own_citations(citations: Raw) -> list[Raw]:
    """Those of a text's citations that Converse itself wrote."""
    return [item for item in json.decode(citations, type=list[Raw]) if is_own_citation(bytes(item))]


def is_own_citation(citation: bytes) -> bool:
    found: object = json.decode(citation)
    fields = cast("Block", found) if isinstance(found, dict) else {}
    return bool(fields) and _CITATION_FIELDS.issuperset(fields)


def _write_tool_result(part: ToolResult, place: str) -> Block:
    content = [_write_block(item, place) for item in part.content if not (isinstance(item, Text) and not item.text)]
    result: Block = {"toolUseId": part.call_id, "content": content}
    if part.is_error:
        result["status"] = "error"
    return {"toolResult": result}


def _write_input(call: ToolCall, place: str) -> Raw:
    written = as_input(call.arguments if call.arguments.strip() else "{}")
    if written is None:
        raise refused(f"{place}.arguments", f"the arguments of the call {call.id} of {call.name} are not a JSON object")
    return written
