"""The contents of a Gemini request, both ways.

Calls and their results are paired by id or, where older models give none, by the function's name in the order of the
calls; a call without an id is given one from its place, the same each time the conversation comes back. Results are
text to other dialects and an object to Gemini: ``{"output": text}``, ``{"error": text}`` when the tool failed, or the
very object that the text holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, cast

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import File, Image, Message, Part, RedactedThinking, Text, Thinking, ToolCall, ToolResult
from switchgear.kernel.errors import BadRequest
from switchgear.wire.gemini_media import read_blob, read_file, write_media
from switchgear.wire.gemini_parts import (
    Block,
    FunctionResponse,
    ResultPart,
    StrictFunctionCall,
    WirePart,
    object_in,
    read_detail,
    read_part,
    refused,
    write_parts,
)
from switchgear.wire.json_body import as_object, said

_OUTPUT: Final = "output"
_ERROR: Final = "error"
_OWN_KEYS: Final = frozenset((_OUTPUT, _ERROR, "result"))
_NOTHING: Final = Raw(b"{}")


class Content(Struct, rename="camel", forbid_unknown_fields=True):
    role: Literal["user", "model", "function", "tool"] | None = None
    parts: list[WirePart] = []


class _Calls:
    """The calls so far, and which of them still wait for a result."""

    def __init__(self) -> None:
        self._made_up = 0
        self._open: list[tuple[str, str, bool]] = []
        """Id, name, and whether the id is the model's own."""

    def id_of(self, call: StrictFunctionCall) -> str:
        found = call.id
        if not found:
            found = f"call_{self._made_up}"
            self._made_up += 1
        self._open.append((found, call.name, bool(call.id)))
        return found

    def answered_by(self, response: FunctionResponse, place: str) -> str:
        """The id of the call that a result answers. Raises BadRequest when there is none."""
        for at, (call_id, name, is_own) in enumerate(self._open):
            if call_id == response.id or (name == response.name and not (is_own and response.id)):
                del self._open[at]
                return call_id
        if response.id:
            return response.id
        raise BadRequest(f"{place} answers no call of {response.name!r} before it", param=f"{place}.functionResponse")


def read_instruction(content: Content | None) -> Iterator[Message]:
    """The system message. Raises BadRequest for anything but text."""
    if content is None:
        return
    parts: list[Part] = []
    for at, part in enumerate(content.parts):
        if part.text is None:
            place = f"systemInstruction.parts[{at}]"
            raise BadRequest(f"{place}: a system instruction is text only", param=place)
        parts.append(Text(text=part.text))
    yield Message(role="system", parts=tuple(parts))


def read_contents(contents: Sequence[Content]) -> tuple[Message, ...]:
    """The messages. Raises BadRequest or UnsupportedField, naming the part."""
    calls = _Calls()
    read: list[Message] = []
    for at, content in enumerate(contents):
        for message in _read_content(content, calls, f"contents[{at}]"):
            previous = read[-1] if read else None
            if previous is not None and previous.role == message.role == "tool":
                read[-1] = Message(role="tool", parts=previous.parts + message.parts)
            else:
                read.append(message)
    return tuple(read)


def _read_content(content: Content, calls: _Calls, place: str) -> Iterator[Message]:
    is_model = content.role == "model"
    results: list[Part] = []
    parts: list[Part] = []
    for at, part in enumerate(content.parts):
        where = f"{place}.parts[{at}]"
        _check_part(part, where, is_model=is_model)
        if part.function_response is not None:
            results.append(_read_result(part.function_response, calls, where))
        else:
            parts += _read_part(part, calls, where)
    if results:
        yield Message(role="tool", parts=tuple(results))
    if parts or not results:
        yield Message(role="assistant" if is_model else "user", parts=tuple(parts))


def _check_part(part: WirePart, place: str, *, is_model: bool) -> None:
    kinds = (part.text, part.inline_data, part.file_data, part.function_call, part.function_response)
    count = sum(kind is not None for kind in kinds)
    if count > 1 or not (count or part.thought_signature):
        raise BadRequest(f"{place} must hold exactly one kind of data, not {count}", param=place)
    if part.function_response is not None and is_model:
        raise BadRequest(f"{place}: only a user can give results", param=f"{place}.functionResponse")
    if part.function_call is not None and not is_model:
        raise BadRequest(f"{place}: only a model calls functions", param=f"{place}.functionCall")


def _read_part(part: WirePart, calls: _Calls, place: str) -> list[Part]:
    try:
        found = read_part(part, "" if part.function_call is None else calls.id_of(part.function_call))
    except BadRequest as error:
        raise BadRequest(f"{place}: {error.message}", param=f"{place}.functionCall.args") from None
    if part.media_resolution is None:
        return found
    seen = [read_detail(item, part.media_resolution, place) for item in found if isinstance(item, Image)]
    if not seen:
        raise refused(f"{place}.mediaResolution", "only pictures can be seen in more or less detail elsewhere")
    return [*seen]


def _read_result(response: FunctionResponse, calls: _Calls, place: str) -> ToolResult:
    call_id = calls.answered_by(response, place)
    given = said(response.response) or _NOTHING
    if not bytes(given).startswith(b"{"):
        raise BadRequest(f"{place}.functionResponse.response must be an object", param=f"{place}.functionResponse")
    texts, is_error = _read_response(given)
    media = (_read_result_part(part, place) for part in response.parts or ())
    return ToolResult(call_id=call_id, content=(*texts, *media), is_error=is_error)


def _read_response(response: Raw) -> tuple[list[Text], bool]:
    """The texts of a result, and whether it tells of an error; an object without a key of ours is text as it came."""
    found = as_object(response)
    key = next(iter(found), "")
    value = found.get(key)
    if not found:
        return [], False
    if len(found) == 1 and key in _OWN_KEYS:
        if isinstance(value, str):
            return [Text(text=value)], key == _ERROR
        items = cast("list[object]", value) if isinstance(value, list) else []
        texts = [Text(text=item) for item in items if isinstance(item, str)]
        if texts and len(texts) == len(items):
            return texts, key == _ERROR
    return [Text(text=bytes(response).decode())], False


def _read_result_part(part: ResultPart, place: str) -> Image | File:
    found = read_blob(part.inline_data) if part.inline_data is not None else None
    if found is None and part.file_data is not None:
        found = read_file(part.file_data)
    if not isinstance(found, Image | File):
        raise refused(f"{place}.functionResponse.parts", "a result can hold pictures and files elsewhere, nothing else")
    return found


def write_instruction(messages: Iterable[Message]) -> Block | None:
    """``systemInstruction``: all system and developer messages, wherever they stood, for they have one place."""
    parts: list[Block] = []
    for at, message in enumerate(messages):
        if message.role in ("system", "developer"):
            _check_message(message, at)
            parts += write_parts(message.parts, f"messages[{at}]")
    return {"parts": parts} if parts else None


def write_contents(messages: Sequence[Message]) -> list[Block]:
    """``contents``, all results of one turn in one. Raises UnsupportedField or BadRequest, naming the message."""
    names: dict[str, str] = {}
    written: list[tuple[str, list[Block]]] = []
    last_role = ""
    for at, message in enumerate(messages):
        if message.role in ("system", "developer"):
            continue
        _check_message(message, at)
        place = f"messages[{at}]"
        names |= {part.id: part.name for part in message.parts if isinstance(part, ToolCall)}
        if message.role == "tool":
            parts = [block for part in message.parts for block in _write_result(part, names, message.name, place)]
        else:
            parts = write_parts(_with_signed_call(message.parts), place) or [{"text": ""}]
        if message.role == last_role == "tool":
            written[-1][1].extend(parts)
        else:
            written.append(("model" if message.role == "assistant" else "user", parts))
        last_role = message.role
    return [{"role": role, "parts": parts} for role, parts in written]


def _with_signed_call(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts with a signature before the first call, where it stood when the model gave it.

    Clients of OpenAI's dialect have all thoughts in one place, before the text; Gemini 3 refuses a first call without
    its signature (ai.google.dev/gemini-api/docs/thought-signatures).
    """
    call = next((at for at, part in enumerate(parts) if isinstance(part, ToolCall)), 0)
    signatures = [at for at, part in enumerate(parts[:call]) if isinstance(part, Thinking) and not part.text]
    if not signatures or signatures[-1] == call - 1:
        return parts
    moved = signatures[-1]
    return (*parts[:moved], *parts[moved + 1 : call], parts[moved], *parts[call:])


def _check_message(message: Message, at: int) -> None:
    place = f"messages[{at}]"
    if message.name is not None and message.role != "tool":
        raise refused(f"{place}.name", "Gemini's contents carry no name")
    if message.role in ("system", "developer") and not all(isinstance(part, Text) for part in message.parts):
        raise refused(f"{place}.content", "Gemini's system instruction is text only")
    for part in message.parts:
        if isinstance(part, RedactedThinking):
            raise refused(f"{place}.content", "redacted thinking can only go back to the model that wrote it")
        if isinstance(part, Text) and part.citations is not None and not own_citations(part.citations):
            raise refused(f"{place}.annotations", "annotations of another dialect cannot be sent to Gemini")


def own_citations(citations: Raw) -> list[Block]:
    """Those of a text's citations that Gemini itself wrote: sources with a place in the text, and no type."""
    found = json.decode(citations, type=list[dict[str, object]])
    return [item for item in found if "type" not in item and not {"uri", "startIndex", "endIndex"}.isdisjoint(item)]


def _write_result(part: Part, names: dict[str, str], name: str | None, place: str) -> Iterator[Block]:
    if not isinstance(part, ToolResult):
        raise refused(place, "a tool message holds tool results only")
    known = names.get(part.call_id, name)
    if known is None:
        param = f"{place}.tool_call_id"
        raise BadRequest(
            f"{param}: Gemini must be told the function, and no message calls {part.call_id!r}", param=param
        )
    response: Block = {"id": part.call_id, "name": known, "response": _write_response(part)}
    media = [write_media(item, place) for item in part.content if isinstance(item, Image | File)]
    if media:
        response["parts"] = media
    yield {"functionResponse": response}


def _write_response(part: ToolResult) -> Block | Raw:
    texts = [item.text for item in part.content if isinstance(item, Text)]
    key = _ERROR if part.is_error else _OUTPUT
    match texts:
        case []:
            return {}
        case [text]:
            found = None if part.is_error else object_in(text)
            own = not found or (len(found) == 1 and not _OWN_KEYS.isdisjoint(found))
            return {key: text} if own else Raw(text.encode())
        case _:
            return {key: texts}
