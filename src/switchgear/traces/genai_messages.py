"""Canonical messages in the JSON of the GenAI conventions: ``{"role", "parts": [{"type", ...}]}``."""

from collections.abc import Iterable

from msgspec import DecodeError, Raw, json

from switchgear.kernel.chat import (
    Audio,
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

_DEFAULT_IMAGE = "image/png"


def message_json(role: str, parts: Iterable[Part], finish: str = "") -> bytes:
    """One message; ``finish`` is why an answer ended."""
    message: dict[str, object] = {"role": role, "parts": [_part(part) for part in parts]}
    if finish:
        message["finish_reason"] = finish
    return json.encode(message)


def text_of(parts: Iterable[Part]) -> str:
    """What people would read of it."""
    return "\n".join(filter(None, map(_text, parts)))


def _text(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case Audio(transcript=transcript):
            return transcript or ""
        case ToolCall(name=name, arguments=arguments):
            return f"{name}({arguments})"
        case ToolResult(content=content):
            return text_of(content)
        case _:
            return ""


def _part(part: Part) -> dict[str, object]:
    match part:
        case Text(text=text):
            return {"type": "text", "content": text}
        case Thinking(text=text):
            return {"type": "reasoning", "content": text}
        case RedactedThinking():
            return {"type": "reasoning", "content": "", "redacted": True}
        case Refusal(text=text):
            return {"type": "refusal", "content": text}
        case ToolCall():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": _arguments(part.arguments)}
        case ToolResult():
            return _result(part)
        case Image(source=source):
            return _media(source, "image", _DEFAULT_IMAGE)
        case File(source=source, filename=filename):
            return _media(source, "document", "application/octet-stream") | ({"filename": filename} if filename else {})
        case Audio():
            return _audio(part)


def _result(part: ToolResult) -> dict[str, object]:
    plain = all(isinstance(each, Text) for each in part.content)
    result: object = text_of(part.content) if plain else [_part(each) for each in part.content]
    said: dict[str, object] = {"type": "tool_call_response", "id": part.call_id, "result": result}
    return said | {"is_error": True} if part.is_error else said


def _audio(part: Audio) -> dict[str, object]:
    said: dict[str, object] = {"type": "blob", "modality": "audio", "mime_type": f"audio/{part.format or 'wav'}"}
    if part.data:
        said["content"] = part.data
    if part.id:
        said["id"] = part.id
    if part.transcript:
        said["transcript"] = part.transcript
    return said


def _media(source: Media, modality: str, usual_type: str) -> dict[str, object]:
    if source.file_id is not None:
        return {"type": "file", "modality": modality, "file_id": source.file_id}
    if source.data is not None:
        media_type = source.media_type or usual_type
        return {"type": "blob", "modality": modality, "mime_type": media_type, "content": source.data}
    return {"type": "uri", "modality": modality, "uri": source.url or ""}


def _arguments(text: str) -> object:
    """As JSON where it is some; a model may break it."""
    try:
        json.decode(text or "{}")
    except (DecodeError, RecursionError):
        return text
    return Raw((text or "{}").encode())
