"""Cohere's whole answers, both ways (the response of docs.cohere.com/reference/chat).

The answer does not name its model. A finish reason that means that the answer broke off is an error, not a finish.
"""

from typing import Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.chat import Choice, Completion, Part, Text, Usage
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.cohere_chat_parts import (
    TextContent,
    ThinkingContent,
    WireToolCall,
    own_citations,
    place_citations,
    read_calls,
    read_thinking,
    split_plan,
    write_calls,
    write_content,
)
from switchgear.wire.cohere_errors import is_error, read_disguised
from switchgear.wire.cohere_logprobs import read_logprobs, write_logprobs
from switchgear.wire.cohere_usage import WireUsage, read_finish, read_usage, write_finish, write_usage
from switchgear.wire.json_body import ABSENT, decode_answer, said, unknown_members

_UNTOLD: Final = Usage(estimated=True)


class WireBlock(Struct):
    """Any block of an answer; the fields that its ``type`` does not have stay at their defaults."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class WireAnswer(Struct):
    role: str = ""
    content: list[WireBlock] | str | None = None
    tool_plan: str | None = None
    tool_calls: list[WireToolCall] | None = None
    citations: list[Raw] | None = None


class WireReply(Struct):
    message: Raw = ABSENT
    id: str | None = None
    finish_reason: str | None = None
    usage: WireUsage | None = None
    logprobs: Raw = ABSENT


def read_reply(body: bytes) -> Completion:
    """Raises UpstreamGarbled, or UpstreamRefused for an error under status 200 and for an answer that broke off."""
    wire = decode_answer(WireReply, body)
    answer = _read_answer(wire, body)
    parts, plan_at = _read_parts(answer)
    parts = place_citations(parts, answer.citations, plan_at)
    parts += read_calls(answer.tool_calls)
    logprobs = said(wire.logprobs)
    choice = Choice(
        parts=tuple(parts),
        finish=read_finish(wire.finish_reason),
        logprobs=None if logprobs is None else read_logprobs(logprobs),
    )
    extra = unknown_members(WireReply, body, UpstreamGarbled)
    return Completion(
        id=wire.id or "",
        model="",
        choices=(choice,),
        usage=None if wire.usage is None else read_usage(wire.usage),
        extra=tuple((name, value) for name, value in extra if said(value) is not None),
    )


def glance(body: bytes) -> Tally:
    """Usage and finish alone; raises as :func:`read_reply` does."""
    wire = decode_answer(WireReply, body)
    answer = _read_answer(wire, body)
    usage = None if wire.usage is None else read_usage(wire.usage)
    content_bytes = 0 if usage is not None else _content_bytes(answer)
    return Tally(usage=usage, finish=read_finish(wire.finish_reason), content_bytes=content_bytes, complete=True)


def _read_answer(wire: WireReply, body: bytes) -> WireAnswer:
    if is_error(wire.message):
        raise read_disguised(body)
    if said(wire.message) is None:
        raise UpstreamGarbled("the upstream's answer has no message")
    try:
        body.decode()
        return json.decode(wire.message, type=WireAnswer)
    except ValidationError as error:
        raise UpstreamGarbled(f"the upstream's answer does not fit its dialect: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled("the upstream's answer is not valid JSON in UTF-8") from None


def _content_bytes(answer: WireAnswer) -> int:
    parts, _ = _read_parts(answer)
    calls = (call.function.arguments or "" for call in answer.tool_calls or () if call.function is not None)
    return sum(len(piece.encode()) for piece in (*(getattr(part, "text", "") for part in parts), *calls))


def _read_parts(answer: WireAnswer) -> tuple[list[Part], int | None]:
    """The parts but for the calls, and which of them is the plan. Blocks of unknown kinds stay as they are: unread."""
    content = answer.content
    blocks = [WireBlock(type="text", text=content)] if isinstance(content, str) else content or []
    parts = [part for block in blocks if (part := _read_block(block)) is not None]
    if not answer.tool_plan:
        return parts, None
    return [*parts, Text(text=answer.tool_plan)], len(parts)


def _read_block(block: WireBlock) -> Part | None:
    match block.type:
        case "text":
            return Text(text=block.text or "")
        case "thinking":
            thinking = ThinkingContent(thinking=block.thinking or "", signature=block.signature, data=block.data)
            return read_thinking(thinking)
        case _:
            return None


def write_reply(completion: Completion) -> bytes:
    """The answer; without usage the counts are 0 and marked as an estimate.

    Fields of another dialect have no place in it and no client of it asked for them.
    Raises UpstreamGarbled for what no answer of Cohere's can hold: several choices, sound.
    """
    if len(completion.choices) != 1 or completion.choices[0].index != 0:
        raise UpstreamGarbled(f"the upstream gave {len(completion.choices)} choices where one was asked for")
    choice = completion.choices[0]
    written: dict[str, object] = {
        "id": completion.id,
        "finish_reason": write_finish(choice.finish or "stop"),
        "message": _write_answer(choice.parts),
        "usage": write_usage(completion.usage or _UNTOLD),
    }
    logprobs = None if choice.logprobs is None else write_logprobs(choice.logprobs)
    return json.encode(written if logprobs is None else written | {"logprobs": logprobs})


def _write_answer(parts: tuple[Part, ...]) -> dict[str, object]:
    others, plan = split_plan(parts)
    content = [_write_block(part) for part in others]
    optional: dict[str, object] = {
        "content": content or None,
        "tool_plan": None if plan is None else plan.text,
        "tool_calls": write_calls(parts),
        "citations": own_citations(parts) or None,
    }
    written: dict[str, object] = {"role": "assistant"}
    return written | {name: value for name, value in optional.items() if value is not None}


def _write_block(part: Part) -> TextContent | ThinkingContent:
    block = write_content(part)
    if block is None:
        raise UpstreamGarbled(f"the upstream's answer holds {type(part).__name__}, which no answer of Cohere's can")
    return block
