"""Parts of a message in anybody's form, as parts of the GenAI conventions."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from switchgear.traces.conventions.values import clean, is_list, is_object, members, opened, text, written

Part = dict[str, object]
_TEXTS: Final = frozenset(("text", "input_text", "output_text", "refusal"))
_THOUGHTS: Final = frozenset(("reasoning", "thinking", "redacted_thinking", "redacted-reasoning"))
_CALLS: Final = frozenset(("tool_use", "tool-call", "function_call", "server_tool_use"))
_RESULTS: Final = frozenset(("tool_result", "tool-result", "function_call_output", "web_search_tool_result"))
_CONVERSE: Final = frozenset(("text", "toolUse", "toolResult", "reasoningContent"))
_MODALITIES: Final = {"input_audio": "audio", "image_url": "image", "input_image": "image", "document": "document"}
GENAI_PARTS: Final = frozenset(("tool_call", "tool_call_response", "blob", "file", "uri"))


def parts_of(content: object) -> list[Part]:
    """The parts of a message's content: a text, a list of parts, or one part."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        told = opened(content)
        listed = is_list(told) and bool(told) and all(_is_part(item) for item in told)
        return parts_of(told) if listed else [text_part(content)]
    if is_list(content):
        return [part_of(item) for item in content]
    return [part_of(content)]


def _is_part(item: object) -> bool:
    """By its type, or by its only member as those of Bedrock's Converse."""
    return is_object(item) and ("type" in item or (len(item) == 1 and not _CONVERSE.isdisjoint(item)))


def text_part(said: str) -> Part:
    """A part that is text."""
    return {"type": "text", "content": text(said)}


def part_of(told: object) -> Part:
    """One part, whatever its form; one of an unknown type is carried as it came."""
    if isinstance(told, str):
        return text_part(told)
    part: Mapping[str, Any] = told if is_object(told) else members(told)
    if not part:
        return {"type": "json", "content": clean(told)}
    part = members(part["message_content"]) if "message_content" in part else part
    kind = text(part.get("type"))
    if kind in _TEXTS:
        return _said("text", part)
    if kind in _THOUGHTS:
        return _said("reasoning", part)
    if kind in _CALLS or kind == "tool_call":
        return call_part(part)
    if kind in _RESULTS or kind == "tool_call_response":
        return result_part(part)
    if kind in GENAI_PARTS and kind != "file":
        return _carried(part)
    return _medium(part) or _untyped(part)


def call_part(told: object) -> Part:
    """A tool call of any dialect, its arguments as the object they are where their text is one."""
    call = members(told)
    call = members(call["tool_call"]) if "tool_call" in call else call
    function = members(call.get("function")) or call
    arguments = _first(function, "arguments", "input", "args")
    part: Part = {"type": "tool_call", "name": text(_first(function, "name", "toolName"))}
    if identity := text(_first(call, "id", "call_id", "toolCallId", "tool_call_id", "toolUseId")):
        part["id"] = identity
    if arguments is not None:
        part["arguments"] = clean(opened(arguments))
    return part


def result_part(told: object) -> Part:
    """What a tool answered."""
    result = members(told)
    identity = text(_first(result, "tool_use_id", "tool_call_id", "toolCallId", "call_id", "id", "toolUseId"))
    answer = _first(result, "result", "response", "output", "content", "text")
    plain = _only_text(answer)
    part: Part = {"type": "tool_call_response", "result": clean(answer if plain is None else plain)}
    return {**part, "id": identity} if identity else part


def _only_text(answer: object) -> str | None:
    if isinstance(answer, str):
        return text(answer)
    if not is_list(answer):
        return None
    parts = [part_of(item) for item in answer]
    if any(part.get("type") != "text" for part in parts):
        return None
    return "\n".join(str(part.get("content", "")) for part in parts)


def _said(kind: str, part: Mapping[str, Any]) -> Part:
    said = part.get("content")
    if said is None:
        said = _first(part, "text", "thinking", "reasoning", "refusal", "summary", "data")
    said = text(said)
    made: Part = {"type": kind, "content": said}
    return {**made, "signature": text(part["signature"])} if part.get("signature") else made


def _untyped(part: Mapping[str, Any]) -> Part:
    if isinstance(part.get("text"), str):
        return text_part(part["text"])
    for name in ("functionCall", "function_call", "toolUse"):
        if name in part:
            return call_part(part[name])
    for name in ("functionResponse", "function_response", "toolResult"):
        if name in part:
            return result_part(part[name])
    if is_object(thought := members(part.get("reasoningContent")).get("reasoningText")):
        return _said("reasoning", thought)
    return _carried(part)


def _carried(part: Mapping[str, Any]) -> Part:
    carried = clean(part)
    made = dict(carried) if is_object(carried) else {}
    if not isinstance(made.get("type"), str):
        made["type"] = "json"
    return made


def _medium(part: Mapping[str, Any]) -> Part | None:
    kind = text(part.get("type"))
    modality = _MODALITIES.get(kind, kind)
    source = _source(part)
    if source is None:
        return None
    where, value, media_type = source
    made: Part = {"type": where, {"uri": "uri", "file": "file_id", "blob": "content"}[where]: value}
    modality = modality if modality in {"image", "audio", "video", "document"} else media_type.partition("/")[0]
    for name, told in (("modality", modality), ("mime_type", media_type)):
        if told:
            made[name] = told
    return made


def _source(part: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Where a medium is (``uri``, ``file`` or ``blob``), the value, and its media type."""
    held = _first(part, "source", "image_url", "input_audio", "file", "image", "inlineData", "inline_data", "file_data")
    inner = members(held)
    inner = members(inner["image"]) if "image" in inner else inner
    media_type = text(_first(inner or part, "media_type", "mime_type", "mimeType", "mediaType"))
    url = text(held if isinstance(held, str) else _first(inner, "url", "uri", "file_uri"))
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        return "blob", data, media_type or head[5:].partition(";")[0]
    if url:
        return "uri", url, media_type
    if data := text(inner.get("data")):
        return "blob", data, media_type or f"audio/{text(inner.get('format'))}" * ("format" in inner)
    identity = text(inner.get("file_id") or part.get("file_id"))
    return ("file", identity, media_type) if identity else None


def _first(told: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if told.get(name) is not None:
            return told[name]
    return None


def texts(parts: list[Part]) -> Iterator[str]:
    """What can be read of parts, for previews."""
    for part in parts:
        said = part.get("content", part.get("result"))
        if part.get("type") in {"text", "reasoning", "tool_call_response"} and isinstance(said, str) and said:
            yield said
        elif part.get("type") == "tool_call":
            yield f"{part.get('name')}({written(part.get('arguments'))})"
