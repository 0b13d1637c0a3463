"""The parts that Gemini's contents are made of, in requests and answers alike.

A ``thoughtSignature`` may stand at any part; the canonical form has signatures at thoughts only. So one that stands
elsewhere becomes a thought of its own, without text, before the part that bears it (after it, where streams send one
alone), and goes back to where it was. In that form clients of other dialects keep it: Anthropic's as a block,
OpenAI's in ``thinking_blocks``.

To Google a signature is bytes in base64, and its SDKs send them back in another alphabet of base64 than they came in.
What is not plain base64, or is no signature at all but redacted thinking, therefore travels to Google's clients as
base64 of a mark and itself; every other signature keeps its bytes.
"""

from base64 import b64encode
from collections.abc import Iterable
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import (
    Audio,
    File,
    Image,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.anthropic_blocks import as_input
from switchgear.wire.gemini_media import (
    Blob,
    FileData,
    StrictBlob,
    StrictFileData,
    decoded_base64,
    read_blob,
    read_file,
    write_audio,
    write_media,
)
from switchgear.wire.json_body import ABSENT, said

Block = dict[str, object]

_FOREIGN: Final = b"switchgear:signature:"
_REDACTED: Final = b"switchgear:redacted:"
_LOW: Final = "MEDIA_RESOLUTION_LOW"
_HIGH: Final = "MEDIA_RESOLUTION_HIGH"


class FunctionCall(Struct, rename="camel", frozen=True):
    id: str | None = None
    name: str = ""
    args: Raw = ABSENT


class AnswerPart(Struct, rename="camel", frozen=True):
    """A part of an answer; what no translated request can have asked for (code that ran, searches) is passed over."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None


class StrictFunctionCall(FunctionCall, rename="camel", frozen=True, forbid_unknown_fields=True):
    """A call in a request, whose every member must be understood."""


class ResultPart(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    inline_data: StrictBlob | None = None
    file_data: StrictFileData | None = None


class FunctionResponse(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    name: str = ""
    response: Raw = ABSENT
    parts: list[ResultPart] | None = None


class MediaResolution(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    level: str = ""


class WirePart(AnswerPart, rename="camel", frozen=True, forbid_unknown_fields=True):
    """A part of a request."""

    inline_data: StrictBlob | None = None
    file_data: StrictFileData | None = None
    function_call: StrictFunctionCall | None = None
    function_response: FunctionResponse | None = None
    media_resolution: MediaResolution | None = None


def read_part(part: AnswerPart, call_id: str) -> list[Part]:
    """The canonical parts of one of Gemini's; ``call_id`` is for a call that has no id of its own.

    Raises BadRequest for arguments that are no JSON object.
    """
    signature = _read_signature(part.thought_signature)
    if part.thought and part.text is not None:
        if isinstance(signature, RedactedThinking):
            return [Thinking(text=part.text), signature]
        return [Thinking(text=part.text, signature=signature)]
    found = _read_content(part, call_id)
    if signature is None:
        return [] if found is None else [found]
    alone = signature if isinstance(signature, RedactedThinking) else Thinking(text="", signature=signature)
    return [alone] if found is None or found == Text(text="") else [alone, found]


def _read_content(part: AnswerPart, call_id: str) -> Part | None:
    if part.text is not None:
        return Text(text=part.text)
    if part.function_call is not None:
        call = part.function_call
        return ToolCall(id=call.id or call_id, name=call.name, arguments=read_arguments(call))
    if part.inline_data is not None:
        return read_blob(part.inline_data)
    return None if part.file_data is None else read_file(part.file_data)


def read_arguments(call: FunctionCall) -> str:
    """A call's arguments as JSON text, byte for byte; Google leaves out empty ones."""
    given = said(call.args)
    arguments = "{}" if given is None else bytes(given).decode()
    if not arguments.startswith("{"):
        raise BadRequest(f"the arguments of the call of {call.name} are not an object")
    return arguments


def write_parts(parts: Iterable[Part], place: str) -> list[Block]:
    """Parts of one content; ``place`` names it in errors. Raises UnsupportedField for what has no equal."""
    written: list[Block] = []
    waiting: Block = {}
    for part in parts:
        if isinstance(part, Thinking) and not part.text and part.signature:
            written += _alone(waiting)
            waiting = {"thoughtSignature": write_signature(part.signature)}
            continue
        if isinstance(part, Thinking | RedactedThinking):
            written += _alone(waiting)
            waiting = {}
        for block in write_part(part, place):
            written.append(block | waiting)
            waiting = {}
    return written + _alone(waiting)


def write_part(part: Part, place: str) -> list[Block]:
    """One part; sound that says its words as well is two. A refusal of an earlier answer goes back as plain text."""
    match part:
        case Text() | Refusal():
            return [{"text": part.text}]
        case Thinking():
            return [write_thought(part)]
        case RedactedThinking():
            return [{"text": "", "thoughtSignature": write_redacted(part.data)}]
        case ToolCall():
            return [write_call(part, write_arguments(part, place))]
        case Image():
            return [write_media(part, place) | _write_detail(part)]
        case File():
            return [write_media(part, place)]
        case Audio() if part.data:
            words: list[Block] = [{"text": part.transcript}] if part.transcript else []
            return [write_audio(part.data, part.format or "wav"), *words]
        case _:
            raise refused(place, "a part of this kind has no equal in Gemini's dialect")


def write_thought(part: Thinking) -> Block:
    block: Block = {"text": part.text, "thought": True}
    return block if part.signature is None else block | {"thoughtSignature": write_signature(part.signature)}


def write_call(call: ToolCall, arguments: Raw) -> Block:
    return {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}


def write_arguments(call: ToolCall, place: str) -> Raw:
    """Arguments as the object that Gemini demands. Raises UnsupportedField for broken ones."""
    written = as_input(call.arguments or "{}")
    if written is None:
        raise refused(f"{place}.arguments", f"the arguments of the call {call.id} of {call.name} are not a JSON object")
    return written


def write_signature(signature: str) -> str:
    """A signature in base64: its own bytes where it is base64 already."""
    data = decoded_base64(signature)
    plain = data is not None and b64encode(data).decode() == signature
    if data is None or not plain or data.startswith((_FOREIGN, _REDACTED)):
        return b64encode(_FOREIGN + signature.encode()).decode()
    return signature


def write_redacted(data: str) -> str:
    """Redacted thinking in the place of a signature."""
    return b64encode(_REDACTED + data.encode()).decode()


def refused(param: str, reason: str) -> UnsupportedField:
    """The error for what Gemini's dialect cannot say, or no other than it."""
    return UnsupportedField(f"{param}: {reason}", param=param)


def object_in(text: str) -> dict[str, object] | None:
    """The object that ``text`` holds as JSON and nothing beside it, else None."""
    if as_input(text) is None or text != text.strip():
        return None
    return json.decode(text.encode("utf-8", "surrogatepass"), type=dict[str, object])


def _alone(waiting: Block) -> list[Block]:
    """A signature that no part bears, as streams send it: at a text without characters."""
    empty: Block = {"text": ""}
    return [empty | waiting] if waiting else []


def _read_signature(given: str | None) -> str | RedactedThinking | None:
    if not given:
        return None
    data = decoded_base64(given)
    if data is None:
        return given
    if data.startswith(_REDACTED):
        return RedactedThinking(data=data[len(_REDACTED) :].decode("utf-8", "replace"))
    if data.startswith(_FOREIGN):
        return data[len(_FOREIGN) :].decode("utf-8", "replace")
    return b64encode(data).decode()


def _write_detail(part: Image) -> Block:
    """Low detail must be said; high is how Gemini looks at pictures anyway, and older models take no word for it."""
    return {"mediaResolution": {"level": _LOW}} if part.detail == "low" else {}


def read_detail(part: Image, resolution: MediaResolution | None, place: str) -> Image:
    """The picture with the detail it shall be seen in. Raises UnsupportedField for one that nobody else knows."""
    if resolution is None:
        return part
    if resolution.level not in (_LOW, _HIGH):
        raise refused(f"{place}.mediaResolution", f"{resolution.level} has no equal in another dialect")
    return Image(source=part.source, detail="low" if resolution.level == _LOW else "high")
