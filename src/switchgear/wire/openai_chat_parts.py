"""The pieces that OpenAI messages are made of, in requests and answers alike.

Thinking has no place in OpenAI's own format. It travels the way compatible servers and gateways have settled on:
``reasoning_content`` holds the text, ``thinking_blocks`` the blocks with their signatures, so that an OpenAI client can
hand them back to a model that insists on them. Thinking always stands before the other parts of its message.
``cache_control`` is accepted and written on parts, tools, tool calls and tool messages, as Anthropic defines it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Raw, Struct, json
from msgspec.structs import replace

from switchgear.kernel.chat import (
    Audio,
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

_FAILED: Final = "Error: "
_DATA_URL: Final = re.compile(r"data:([^;,]*);base64,(.*)", re.DOTALL)


Citations = list[dict[str, Raw]]


class CacheControl(Struct, omit_defaults=True):
    type: Literal["ephemeral"]
    ttl: CacheTtl | None = None


class ImageUrl(Struct, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class InputAudio(Struct, forbid_unknown_fields=True):
    data: str
    format: str


class FileSource(Struct, omit_defaults=True, forbid_unknown_fields=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class TextPart(Struct, tag="text", omit_defaults=True, forbid_unknown_fields=True):
    text: str
    cache_control: CacheControl | None = None
    annotations: Citations | None = None
    citations: Citations | None = None


class RefusalPart(Struct, tag="refusal", forbid_unknown_fields=True):
    refusal: str


class ImagePart(Struct, tag="image_url", omit_defaults=True, forbid_unknown_fields=True):
    image_url: ImageUrl
    cache_control: CacheControl | None = None


class AudioPart(Struct, tag="input_audio", forbid_unknown_fields=True):
    input_audio: InputAudio


class FilePart(Struct, tag="file", omit_defaults=True, forbid_unknown_fields=True):
    file: FileSource
    cache_control: CacheControl | None = None


ContentPart = TextPart | RefusalPart | ImagePart | AudioPart | FilePart


class ThinkingBlock(Struct, omit_defaults=True):
    """One entry of ``thinking_blocks``; ``index`` only in streams, where the SDKs need it to join entries."""

    type: Literal["thinking", "redacted_thinking"]
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    index: int | None = None


class CalledFunction(Struct, omit_defaults=True):
    name: str | None = None
    arguments: str | None = None


class WireToolCall(Struct, omit_defaults=True):
    function: CalledFunction
    id: str | None = None
    type: Literal["function"] | None = None
    index: int | None = None
    """Only in streams; replayed by clients that keep what they were sent."""
    cache_control: CacheControl | None = None


def read_cache(control: CacheControl | None) -> CacheTtl | None:
    """The time to live of a cache breakpoint; five minutes when not said."""
    return None if control is None else control.ttl or "5m"


def write_cache(ttl: CacheTtl | None) -> CacheControl | None:
    """A cache breakpoint; five minutes, the default, is left unsaid as most servers know no ``ttl``."""
    return None if ttl is None else CacheControl(type="ephemeral", ttl=None if ttl == "5m" else ttl)


def read_media(url: str) -> Media:
    """A ``data:`` URL in base64 becomes its data, anything else stays a URL."""
    match = _DATA_URL.fullmatch(url)
    return Media(url=url) if match is None else Media(data=match[2], media_type=match[1] or None)


def read_part(part: ContentPart, param: str) -> Part:
    """The canonical part; BadRequest, naming ``param``, for a file without a source."""
    match part:
        case TextPart():
            citations = read_citations(part.annotations, part.citations)
            return Text(text=part.text, cache=read_cache(part.cache_control), citations=citations)
        case RefusalPart():
            return Refusal(text=part.refusal)
        case ImagePart():
            image = part.image_url
            return Image(source=read_media(image.url), detail=image.detail, cache=read_cache(part.cache_control))
        case AudioPart():
            return Audio(data=part.input_audio.data, format=part.input_audio.format)
        case FilePart():
            return _read_file(part, f"{param}.file")


def _read_file(part: FilePart, param: str) -> File:
    given = part.file
    if given.file_id is not None:
        source = Media(file_id=given.file_id)
    elif given.file_data is not None:
        match = _DATA_URL.fullmatch(given.file_data)
        source = Media(data=given.file_data) if match is None else Media(data=match[2], media_type=match[1])
    else:
        raise BadRequest(f"{param} holds neither file_data nor file_id", param=param)
    return File(source=source, filename=given.filename, cache=read_cache(part.cache_control))


def write_part(part: Part, param: str) -> ContentPart:
    """The part of a content list. Raises UnsupportedField for what has no place there."""
    match part:
        case Text():
            annotations, citations = write_citations([part])
            cache = write_cache(part.cache)
            return TextPart(text=part.text, cache_control=cache, annotations=annotations, citations=citations)
        case Refusal():
            return RefusalPart(refusal=part.text)
        case Image():
            return ImagePart(image_url=_write_image(part, param), cache_control=write_cache(part.cache))
        case Audio() if part.data and part.format:
            return AudioPart(input_audio=InputAudio(data=part.data, format=part.format))
        case File():
            return FilePart(file=_write_file(part, param), cache_control=write_cache(part.cache))
        case _:
            raise UnsupportedField(f"{param}: a part of this kind has no place in an OpenAI message", param=param)


def _write_image(part: Image, param: str) -> ImageUrl:
    source = part.source
    if source.data is not None:
        return ImageUrl(url=f"data:{source.media_type or ''};base64,{source.data}", detail=part.detail)
    if source.url is not None:
        return ImageUrl(url=source.url, detail=part.detail)
    raise UnsupportedField(f"{param}: an image by file id; OpenAI chat takes images by URL or as data", param=param)


def _write_file(part: File, param: str) -> FileSource:
    source = part.source
    if source.file_id is not None:
        return FileSource(file_id=source.file_id, filename=part.filename)
    if source.data is not None:
        data = source.data if source.media_type is None else f"data:{source.media_type};base64,{source.data}"
        return FileSource(file_data=data, filename=part.filename)
    raise UnsupportedField(f"{param}: a file by URL; OpenAI chat takes files by id or as data", param=param)


def read_thinking(reasoning: str | None, blocks: Iterable[ThinkingBlock] | None) -> list[Part]:
    """Thinking parts: the blocks where there are any, for they repeat the text and hold the signatures."""
    if blocks:
        return [_read_block(block) for block in blocks]
    return [Thinking(text=reasoning)] if reasoning else []


def _read_block(block: ThinkingBlock) -> Thinking | RedactedThinking:
    if block.type == "redacted_thinking":
        return RedactedThinking(data=block.data or "")
    return Thinking(text=block.thinking or "", signature=block.signature or None)


def write_thinking(parts: Sequence[Part]) -> tuple[str | None, list[ThinkingBlock] | None]:
    """``reasoning_content`` and ``thinking_blocks``; no blocks where the text alone says everything."""
    found = [part for part in parts if isinstance(part, Thinking | RedactedThinking)]
    text = "".join(part.text for part in found if isinstance(part, Thinking))
    match found:
        case []:
            return None, None
        case [Thinking(text=str(only), signature=None)] if only:
            return text, None
        case _:
            return text or None, [write_block(part) for part in found]


def write_block(part: Thinking | RedactedThinking) -> ThinkingBlock:
    """One entry of ``thinking_blocks``."""
    if isinstance(part, RedactedThinking):
        return ThinkingBlock(type="redacted_thinking", data=part.data)
    return ThinkingBlock(type="thinking", thinking=part.text, signature=part.signature)


def read_tool_calls(calls: Iterable[WireToolCall] | None) -> list[Part]:
    """Tool calls in their order; a server that gives no ids gets ids by position."""
    return [
        ToolCall(
            id=call.id or f"call_{position}",
            name=call.function.name or "",
            arguments=call.function.arguments or "",
            cache=read_cache(call.cache_control),
        )
        for position, call in enumerate(calls or ())
    ]


def write_tool_calls(parts: Sequence[Part]) -> list[WireToolCall] | None:
    """``tool_calls``, or None when there are none."""
    return [
        WireToolCall(
            id=part.id,
            type="function",
            function=CalledFunction(name=part.name, arguments=part.arguments),
            cache_control=write_cache(part.cache),
        )
        for part in parts
        if isinstance(part, ToolCall)
    ] or None


def told_result(result: ToolResult) -> tuple[Text | Image | File, ...]:
    """A result's content, for dialects without a flag for a tool that failed: then its text says so, if it did not."""
    match result.content:
        case content if not result.is_error:
            return content
        case (Text(text=said) as first, *rest):
            is_told = said.lstrip().casefold().startswith(_FAILED.casefold().rstrip(": "))
            return result.content if is_told else (replace(first, text=_FAILED + said), *rest)
        case content:
            return (Text(text=_FAILED.rstrip(": ")), *content)


def read_citations(annotations: Citations | None, citations: Citations | None) -> Raw | None:
    """The citations of a text, of whichever dialect; None when there are none."""
    if not annotations and not citations:
        return None
    return Raw(json.encode([*(annotations or ()), *(citations or ())]))


def write_citations(parts: Iterable[Text]) -> tuple[Citations | None, Citations | None]:
    """``annotations`` for OpenAI's own citations, ``citations`` for those of another dialect, as they came."""
    found = [
        item for part in parts if part.citations is not None for item in json.decode(part.citations, type=Citations)
    ]
    if not found:
        return None, None
    own = all(bytes(item.get("type", b"")) == b'"url_citation"' for item in found)
    return (found, None) if own else (None, found)
