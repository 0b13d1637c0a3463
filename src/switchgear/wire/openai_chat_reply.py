"""Whole OpenAI chat completions, both ways.

Reading is lenient, as compatible servers leave out much; what is no completion at all is UpstreamGarbled, and an error
object under status 200 UpstreamRefused. Several texts become one ``content``: OpenAI's answer has a single string.
"""

from collections.abc import Sequence

from msgspec import Raw, Struct

from switchgear.kernel.chat import Audio, Chat, Choice, Completion, Part, Refusal, Text, ToolCall
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.json_body import ABSENT, decode_answer, object_text, said, unknown_members
from switchgear.wire.openai_chat_parts import (
    CalledFunction,
    Citations,
    ThinkingBlock,
    WireToolCall,
    read_citations,
    read_thinking,
    read_tool_calls,
    write_citations,
    write_thinking,
    write_tool_calls,
)
from switchgear.wire.openai_usage import (
    WireUsage,
    read_finish,
    read_stop_sequence,
    read_usage,
    refuse_disguised,
    write_finish,
    write_usage,
)


class WireAudio(Struct, omit_defaults=True):
    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None
    format: str | None = None
    """This gateway's own addition, for OpenAI's answers do not say it."""


class ContentText(Struct):
    """One piece of a ``content`` that is a list, as Mistral writes it when the model thinks."""

    type: str = "text"
    text: str | None = None
    thinking: list["ContentText"] | None = None


class WireAnswer(Struct, omit_defaults=True):
    role: str | None = None
    content: str | list[ContentText] | None = None
    refusal: str | None = None
    tool_calls: list[WireToolCall] | None = None
    function_call: CalledFunction | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    audio: WireAudio | None = None
    annotations: Citations | None = None
    citations: Citations | None = None


class WireChoice(Struct):
    message: WireAnswer
    index: int | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT
    stop_reason: str | int | None = None
    """vLLM: the stop string, or the id of the stop token."""
    matched_stop: str | int | None = None
    """SGLang's name for it."""


class WireReply(Struct):
    choices: list[WireChoice]
    object: str | None = None
    id: str | None = None
    created: float | None = None
    model: str | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: Raw = ABSENT


def chat_content_bytes(body: bytes) -> int:
    """UTF-8 bytes of text, thinking and arguments in a whole answer."""
    return sum(
        len(piece.encode())
        for choice in read_reply(body).choices
        for part in choice.parts
        for piece in (getattr(part, "text", ""), getattr(part, "arguments", ""))
    )


def read_reply(body: bytes) -> Completion:
    """Raises UpstreamGarbled or UpstreamRefused."""
    refuse_disguised(body)
    wire = decode_answer(WireReply, body)
    return Completion(
        id=wire.id or "",
        model=wire.model or "",
        created_seconds=int(wire.created or 0),
        choices=tuple(_read_choice(choice, position) for position, choice in enumerate(wire.choices)),
        usage=None if wire.usage is None else read_usage(wire.usage),
        service_tier=wire.service_tier,
        system_fingerprint=wire.system_fingerprint,
        extra=unknown_members(WireReply, body, UpstreamGarbled),
    )


def _read_choice(wire: WireChoice, position: int) -> Choice:
    stop_sequence = read_stop_sequence(wire.stop_reason, wire.matched_stop)
    parts = tuple(_read_answer(wire.message))
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish = None if wire.finish_reason is None else read_finish(wire.finish_reason, stop_sequence, calls=calls)
    return Choice(
        index=position if wire.index is None else wire.index,
        parts=parts,
        finish=finish,
        stop_sequence=stop_sequence if finish == "stop_sequence" else None,
        logprobs=said(wire.logprobs),
    )


def _read_answer(message: WireAnswer) -> list[Part]:
    thought, text = split_content(message.content)
    parts = read_thinking(message.reasoning_content or message.reasoning or thought, message.thinking_blocks)
    citations = read_citations(message.annotations, message.citations)
    if text or citations is not None:
        parts.append(Text(text=text or "", citations=citations))
    if message.refusal:
        parts.append(Refusal(text=message.refusal))
    if message.audio is not None:
        parts.append(_read_audio(message.audio))
    parts += read_tool_calls(message.tool_calls)
    if message.function_call is not None:
        call = message.function_call
        parts.append(ToolCall(id="call_0", name=call.name or "", arguments=call.arguments or ""))
    return parts


def split_content(content: str | list[ContentText] | None) -> tuple[str | None, str | None]:
    """The thinking and the text of a ``content``."""
    if content is None or isinstance(content, str):
        return None, content
    thought = "".join(piece.text or "" for item in content for piece in item.thinking or ())
    return thought or None, "".join(item.text or "" for item in content)


def _read_audio(wire: WireAudio) -> Audio:
    return Audio(
        id=wire.id,
        data=wire.data or "",
        format=wire.format or "",
        transcript=wire.transcript,
        expires_at_seconds=wire.expires_at,
    )


def write_reply(completion: Completion, asked: Chat | None = None) -> bytes:
    """The body of a ``chat.completion``; where the upstream did not name its model, by the name that was asked for."""
    return object_text(
        (
            ("id", completion.id),
            ("object", "chat.completion"),
            ("created", completion.created_seconds),
            ("model", completion.model or ("" if asked is None else asked.model)),
            ("choices", [_write_choice(choice) for choice in completion.choices]),
            ("usage", None if completion.usage is None else write_usage(completion.usage)),
            ("service_tier", completion.service_tier),
            ("system_fingerprint", completion.system_fingerprint),
            *completion.extra,
        )
    )


def _write_choice(choice: Choice) -> dict[str, object]:
    written: dict[str, object] = {
        "index": choice.index,
        "message": _write_answer(choice.parts),
        "logprobs": choice.logprobs,
        "finish_reason": None if choice.finish is None else write_finish(choice.finish),
    }
    if choice.stop_sequence is not None:
        written["stop_reason"] = choice.stop_sequence
    return written


def _write_answer(parts: Sequence[Part]) -> dict[str, object]:
    match parts:
        case [Text(text=only, citations=None)]:
            return {"role": "assistant", "content": only, "refusal": None}
        case _:
            return _write_parts(parts)


def _write_parts(parts: Sequence[Part]) -> dict[str, object]:
    texts = [part for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    reasoning, blocks = write_thinking(parts)
    annotations, citations = write_citations(texts)
    audio = next((part for part in parts if isinstance(part, Audio)), None)
    # The SDKs type these three as always there; the rest is written only when it says something.
    written: dict[str, object] = {
        "role": "assistant",
        "content": "".join(part.text for part in texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    optional = {
        "reasoning_content": reasoning,
        "thinking_blocks": blocks,
        "annotations": annotations,
        "citations": citations,
        "audio": None if audio is None else _write_audio(audio),
        "tool_calls": write_tool_calls(parts),
    }
    return written | {name: value for name, value in optional.items() if value is not None}


def _write_audio(part: Audio) -> WireAudio:
    return WireAudio(
        id=part.id,
        data=part.data,
        expires_at=part.expires_at_seconds,
        transcript=part.transcript,
        format=part.format or None,
    )
