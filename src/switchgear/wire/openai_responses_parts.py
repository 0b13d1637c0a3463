"""The pieces of content in OpenAI's Responses API, both ways: text, images, files, sound, refusals, thoughts.

A reasoning item carries thinking: its summary (or, from open models, its content) is the text, ``encrypted_content``
the signature. One without any text, but encrypted, is redacted thinking; one with an empty text is a thought that
is signed but not shown. So what Anthropic's models sign comes back to them byte for byte.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, cast

from msgspec import Raw, Struct, json

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
)
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.json_body import ABSENT
from switchgear.wire.openai_chat_parts import Citations, read_media

Block = dict[str, object]

_PARAGRAPH: Final = "\n\n"
_DETAILS: Final = ("auto", "low", "high")
_URL_CITATION: Final = b'"url_citation"'
# Each side offers a shorter and a longer life: 30 minutes and 12 hours here, 5 minutes and an hour at Anthropic.
_LONG_TTL: Final = "12h"


class CacheBreakpoint(Struct, omit_defaults=True, forbid_unknown_fields=True):
    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class InputText(Struct, tag="input_text", omit_defaults=True, forbid_unknown_fields=True):
    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class OutputText(Struct, tag="output_text", omit_defaults=True, forbid_unknown_fields=True):
    text: str
    annotations: Citations | None = None
    logprobs: Raw = ABSENT
    """Of an answer that is sent back: they say nothing to a model."""
    citations: Citations | None = None
    """This gateway's own addition: citations of another dialect, as they came."""
    parsed: Raw = ABSENT
    """What the vendor's SDK made of the text, in objects that are sent back as they are."""


class RefusalPart(Struct, tag="refusal", forbid_unknown_fields=True):
    refusal: str


class InputImage(Struct, tag="input_image", omit_defaults=True, forbid_unknown_fields=True):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputFile(Struct, tag="input_file", omit_defaults=True, forbid_unknown_fields=True):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class Sound(Struct, forbid_unknown_fields=True):
    data: str
    format: str


class InputAudio(Struct, tag="input_audio", forbid_unknown_fields=True):
    input_audio: Sound


ContentPart = InputText | OutputText | RefusalPart | InputImage | InputFile | InputAudio
ResultPart = InputText | InputImage | InputFile


class Thought(Struct):
    """One piece of a summary (``summary_text``) or of a reasoning's content (``reasoning_text``)."""

    text: str
    type: str = ""


def read_part(part: ContentPart, place: str) -> Part:
    """The canonical part; ``place`` names it in errors. Raises BadRequest or UnsupportedField."""
    match part:
        case InputText():
            return Text(text=part.text, cache=_read_cache(part.prompt_cache_breakpoint))
        case OutputText():
            return Text(text=part.text, citations=read_annotations(part.annotations, part.citations))
        case RefusalPart():
            return Refusal(text=part.refusal)
        case InputImage():
            return _read_image(part, place)
        case InputFile():
            return _read_file(part, place)
        case InputAudio():
            return Audio(data=part.input_audio.data, format=part.input_audio.format)


def _read_cache(found: CacheBreakpoint | None) -> CacheTtl | None:
    if found is None:
        return None
    return "1h" if found.ttl == _LONG_TTL else "5m"


def _read_image(part: InputImage, place: str) -> Image:
    if part.detail not in (None, *_DETAILS):
        raise UnsupportedField(
            f"{place}.detail: {part.detail!r} has no equal in another dialect", param=f"{place}.detail"
        )
    if part.file_id is not None:
        source = Media(file_id=part.file_id)
    elif part.image_url is not None:
        source = read_media(part.image_url)
    else:
        raise BadRequest(f"{place} holds neither image_url nor file_id", param=place)
    return Image(source=source, detail=part.detail, cache=_read_cache(part.prompt_cache_breakpoint))


def _read_file(part: InputFile, place: str) -> File:
    if part.detail not in (None, "auto"):
        raise UnsupportedField(
            f"{place}.detail: {part.detail!r} has no equal in another dialect", param=f"{place}.detail"
        )
    if part.file_id is not None:
        source = Media(file_id=part.file_id)
    elif part.file_url is not None:
        source = Media(url=part.file_url)
    elif part.file_data is not None:
        source = read_media(part.file_data)
        source = Media(data=part.file_data) if source.data is None else source
    else:
        raise BadRequest(f"{place} holds none of file_data, file_id and file_url", param=place)
    return File(source=source, filename=part.filename, cache=_read_cache(part.prompt_cache_breakpoint))


def read_thought(
    summary: Iterable[Thought], content: Iterable[Thought], encrypted: str | None
) -> Thinking | RedactedThinking | None:
    """The thinking that a reasoning item carries; None for one that says nothing at all."""
    texts = [piece.text for piece in (*summary, *content)]
    if texts:
        return Thinking(text=_PARAGRAPH.join(texts), signature=encrypted or None)
    return RedactedThinking(data=encrypted) if encrypted else None


def write_thought(part: Thinking | RedactedThinking) -> Block:
    """A reasoning item, without the id that only whoever made it can give."""
    if isinstance(part, RedactedThinking):
        return {"type": "reasoning", "summary": [], "encrypted_content": part.data}
    item: Block = {"type": "reasoning", "summary": [{"type": "summary_text", "text": part.text}]}
    return item if part.signature is None else item | {"encrypted_content": part.signature}


def write_input_part(part: Part, place: str) -> ContentPart:
    """A part of what is said to the model. Raises UnsupportedField for what has no place there."""
    match part:
        case Text():
            return InputText(text=part.text, prompt_cache_breakpoint=_write_cache(part.cache))
        case Image():
            return _write_image(part)
        case File():
            return _write_file(part)
        case Audio() if part.data and part.format:
            return InputAudio(input_audio=Sound(data=part.data, format=part.format))
        case _:
            raise UnsupportedField(f"{place}: a part of this kind has no place in an input message", param=place)


def write_output_part(part: Text | Refusal) -> Block:
    """A part of what the model said."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    annotations, citations = write_annotations([] if part.citations is None else _items(part.citations))
    block: Block = {"type": "output_text", "text": part.text, "annotations": annotations}
    return block | {"citations": citations} if citations else block


def _write_cache(ttl: CacheTtl | None) -> CacheBreakpoint | None:
    if ttl is None:
        return None
    return CacheBreakpoint(mode="explicit", ttl="12h" if ttl == "1h" else None)


def _write_image(part: Image) -> InputImage:
    source = part.source
    url = source.url if source.data is None else f"data:{source.media_type or ''};base64,{source.data}"
    return InputImage(
        image_url=url,
        file_id=source.file_id,
        # The API's own default, spelled out because servers that check their input insist on it.
        detail=part.detail or "auto",
        prompt_cache_breakpoint=_write_cache(part.cache),
    )


def _write_file(part: File) -> InputFile:
    source = part.source
    data = source.data
    if data is not None and source.media_type is not None:
        data = f"data:{source.media_type};base64,{data}"
    return InputFile(
        file_data=data,
        file_id=source.file_id,
        file_url=source.url,
        filename=part.filename,
        prompt_cache_breakpoint=_write_cache(part.cache),
    )


def read_annotations(annotations: Citations | None, citations: Citations | None) -> Raw | None:
    """The citations of a text; a URL's as chat completions spell it, so that one spelling goes through the gateway."""
    found = [*(read_annotation(item) for item in annotations or ()), *(citations or ())]
    return Raw(json.encode(found)) if found else None


def read_annotation(item: dict[str, Raw]) -> dict[str, Raw]:
    """A URL citation moved under ``url_citation``, where chat completions have its fields; any other as it is."""
    kind = item.get("type")
    if kind is None or bytes(kind) != _URL_CITATION or "url_citation" in item:
        return item
    inner = {name: value for name, value in item.items() if name != "type"}
    return {"type": kind, "url_citation": Raw(json.encode(inner))}


def write_annotations(items: Sequence[dict[str, Raw]]) -> tuple[list[Block], list[Block]]:
    """``annotations`` as the vendor's SDKs read them, and ``citations`` of another dialect as they came."""
    annotations = [flat for item in items if (flat := own_annotation(item)) is not None]
    citations = [cast("Block", item) for item in items if own_annotation(item) is None]
    return annotations, citations


def own_annotation(item: dict[str, Raw]) -> Block | None:
    """An annotation as this API writes it; None for a citation of another dialect."""
    kind = bytes(item.get("type", b""))
    if kind == _URL_CITATION:
        inner = json.decode(item["url_citation"], type=dict[str, Raw]) if "url_citation" in item else item
        return {"type": "url_citation", **{name: value for name, value in inner.items() if name != "type"}}
    own = (b'"file_citation"', b'"container_file_citation"', b'"file_path"')
    return cast("Block", item) if kind in own else None


def _items(citations: Raw) -> Citations:
    return json.decode(citations, type=Citations)
