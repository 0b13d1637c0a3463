"""Anthropic's whole answers, both ways (the ``message`` object of docs.claude.com/en/api/messages)."""

from typing import Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.chat import (
    Choice,
    Completion,
    Finish,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.anthropic_blocks import Block, as_input, own_citations
from switchgear.wire.anthropic_errors import read_stream_error
from switchgear.wire.anthropic_usage import WireUsage, read_finish, read_tier, read_usage, write_finish, write_usage
from switchgear.wire.json_body import ABSENT, decode_answer, said, unknown_members

_UNTOLD: Final = Usage(estimated=True)


class WireBlock(Struct):
    """Any block of an answer; the fields that its ``type`` does not have stay at their defaults."""

    type: str
    text: str | None = None
    citations: Raw = ABSENT
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT


class WireMessage(Struct):
    """A whole answer, or the ``message`` of ``message_start``."""

    type: str = ""
    role: str = ""
    id: str = ""
    model: str = ""
    content: list[Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT


class WireGlance(Struct):
    """What accounting needs of an answer."""

    type: str = ""
    stop_reason: str | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT


def read_reply(body: bytes) -> Completion:
    """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200.

    Blocks of server tools are passed over: no translated request can have asked for them.
    """
    wire = decode_answer(WireMessage, body)
    _check_answer(wire, body)
    if wire.content is None:
        raise UpstreamGarbled("the upstream's answer has no content")
    parts = [_read_part(block) for block in wire.content]
    choice = Choice(
        parts=tuple(part for part in parts if part is not None),
        finish=None if wire.stop_reason is None else read_finish(wire.stop_reason),
        stop_sequence=wire.stop_sequence,
    )
    extra = unknown_members(WireMessage, body, UpstreamGarbled)
    return Completion(
        id=wire.id,
        model=wire.model,
        choices=(choice,),
        usage=None if wire.usage is None else read_usage(wire.usage),
        service_tier=read_tier(wire.usage),
        extra=tuple((name, value) for name, value in extra if said(value) is not None),
    )


def glance(body: bytes) -> Tally:
    """Usage and finish alone; raises as :func:`read_reply` does."""
    wire = decode_answer(WireGlance, body)
    _check_answer(wire, body)
    return Tally(
        usage=None if wire.usage is None else read_usage(wire.usage),
        finish=None if wire.stop_reason is None else read_finish(wire.stop_reason),
        service=read_tier(wire.usage),
        complete=True,
    )


def _check_answer(wire: WireMessage | WireGlance, body: bytes) -> None:
    if wire.type == "error" or said(wire.error) is not None:
        raise read_stream_error(body)
    if wire.type != "message":
        raise UpstreamGarbled(f"the upstream's answer is no message but of type {wire.type!r}")


def read_wire_block(block: Raw) -> WireBlock | None:
    """A block of a kind this gateway carries, else None. Raises UpstreamGarbled for one that does not fit its kind."""
    try:
        found = json.decode(block, type=WireBlock)
    except (ValidationError, DecodeError, UnicodeDecodeError):
        raise UpstreamGarbled("a block of the upstream's answer does not fit its dialect") from None
    return found if found.type in ("text", "thinking", "redacted_thinking", "tool_use") else None


def _read_part(raw: Raw) -> Part | None:
    block = read_wire_block(raw)
    if block is None:
        return None
    match block.type:
        case "text":
            citations = said(block.citations)
            cites = citations is not None and bytes(citations) != b"[]"
            return Text(text=block.text or "", citations=citations if cites else None)
        case "thinking":
            return Thinking(text=block.thinking or "", signature=block.signature or None)
        case "redacted_thinking":
            return RedactedThinking(data=block.data or "")
        case _:
            return ToolCall(id=block.id or "", name=block.name or "", arguments=read_input(block) or "{}")


def read_input(block: WireBlock) -> str:
    """A tool call's input as JSON text; empty when there is none. Raises UpstreamGarbled when it is not UTF-8."""
    given = said(block.input)
    try:
        return "" if given is None else bytes(given).decode()
    except UnicodeDecodeError:
        raise UpstreamGarbled("the input of a tool call is not valid UTF-8") from None


def write_reply(completion: Completion) -> bytes:
    """The answer as a message; without usage the counts are 0 and marked as an estimate.

    Log probabilities and fields of another dialect have no place in a message and no client of it asked for them.
    Raises UpstreamGarbled for what no message can hold: several choices, sound, arguments that are no JSON object.
    """
    if len(completion.choices) != 1 or completion.choices[0].index != 0:
        raise UpstreamGarbled(f"the upstream gave {len(completion.choices)} choices where one was asked for")
    choice = completion.choices[0]
    finish = told_finish(choice.finish, refused=any(isinstance(part, Refusal) for part in choice.parts))
    message: Block = {
        "id": completion.id,
        "type": "message",
        "role": "assistant",
        "model": completion.model,
        "content": [_write_part(part, choice.finish) for part in choice.parts],
        "stop_reason": None if finish is None else write_finish(finish),
        "stop_sequence": choice.stop_sequence,
        "usage": write_usage(completion.usage or _UNTOLD, completion.service_tier),
    }
    return json.encode(message)


def told_finish(finish: Finish | None, *, refused: bool) -> Finish | None:
    """A refusal is a block elsewhere and a stop reason here."""
    return "refusal" if refused and finish == "stop" else finish


def _write_part(part: Part, finish: Finish | None) -> Block:
    match part:
        case Text():
            citations = own_citations(part.citations) if part.citations is not None else []
            block: Block = {"type": "text", "text": part.text}
            return block | {"citations": citations} if citations else block
        case Refusal():
            return {"type": "text", "text": part.text}
        case Thinking():
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        case RedactedThinking():
            return {"type": "redacted_thinking", "data": part.data}
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": _write_input(part, finish)}
        case _:
            raise UpstreamGarbled(f"the upstream's answer holds {type(part).__name__}, which no message can")


def _write_input(call: ToolCall, finish: Finish | None) -> Raw:
    found = as_input(call.arguments or "{}")
    if found is not None:
        return found
    if finish == "length":
        # Anthropic itself gives a call that the token limit cut off as far as it can be read; max_tokens says why.
        return Raw(b"{}")
    raise UpstreamGarbled(f"the arguments of the call {call.id} of {call.name} are not a JSON object")
