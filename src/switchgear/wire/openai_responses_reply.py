"""Whole answers of OpenAI's Responses API, both ways.

Items of hosted tools are passed over when an answer is read: no translated request can have asked for them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import (
    Chat,
    Choice,
    Completion,
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
from switchgear.wire.json_body import ABSENT, decode_answer, said
from switchgear.wire.openai_chat_parts import Citations
from switchgear.wire.openai_errors import read_stream_error
from switchgear.wire.openai_responses_object import Ending, Identity, response_object
from switchgear.wire.openai_responses_parts import (
    Block,
    Thought,
    read_annotations,
    read_thought,
    write_output_part,
    write_thought,
)
from switchgear.wire.openai_responses_usage import (
    Incomplete,
    WireError,
    WireUsage,
    read_failure,
    read_finish,
    read_usage,
    write_finish,
)

_UNFINISHED: Final = ("queued", "in_progress")
_FAILED: Final = ("failed", "cancelled")


class WirePart(Struct):
    """Content of a message; the fields that its ``type`` does not have stay at their defaults."""

    type: str
    text: str = ""
    refusal: str = ""
    annotations: Citations | None = None
    citations: Citations | None = None
    logprobs: list[Raw] | None = None


class WireItem(Struct):
    """Any output item."""

    type: str
    id: str | None = None
    content: list[WirePart] | None = None
    summary: list[Thought] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ItemKind(Struct):
    type: str = ""


class WireResponse(Struct):
    """A response, whole or as an event of a stream holds it."""

    id: str = ""
    model: str = ""
    created_at: float | None = None
    status: str | None = None
    output: list[Raw] | None = None
    error: WireError | None = None
    incomplete_details: Incomplete | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None


class WireGlance(Struct):
    """What accounting needs of a response."""

    output: list[ItemKind] | None = None
    status: str | None = None
    error: Raw = ABSENT
    incomplete_details: Incomplete | None = None
    usage: WireUsage | None = None
    object: str | None = None
    service_tier: str | None = None


def read_reply(body: bytes) -> Completion:
    """Raises UpstreamGarbled, or UpstreamRefused for a response that failed and for an error under status 200."""
    _check(decode_answer(WireGlance, body), body)
    wire = decode_answer(WireResponse, body)
    if wire.status in _UNFINISHED:
        raise UpstreamGarbled(f"the upstream's response is {wire.status} where a finished one was asked for")
    items = [item for raw in wire.output or () if (item := read_item(raw)) is not None]
    parts = tuple(part for item in items for part in read_parts(item))
    calls = any(item.type == "function_call" for item in items)
    choice = Choice(
        parts=parts,
        finish=read_finish(wire.status or "completed", wire.incomplete_details, calls=calls),
        logprobs=_read_logprobs(items),
    )
    return Completion(
        id=wire.id,
        model=wire.model,
        created_seconds=int(wire.created_at or 0),
        choices=(choice,),
        usage=None if wire.usage is None else read_usage(wire.usage),
        service_tier=wire.service_tier,
    )


def glance(body: bytes) -> Tally:
    """Usage and finish alone; raises as :func:`read_reply` does, but knows responses that are still in the making."""
    seen = decode_answer(WireGlance, body)
    _check(seen, body)
    if seen.status in _UNFINISHED:
        # In the background: what it will have cost, nobody knows yet.
        return Tally(usage=Usage(estimated=True), complete=True)
    calls = any(item.type == "function_call" for item in seen.output or ())
    usage = None if seen.usage is None else read_usage(seen.usage)
    return Tally(
        usage=usage,
        finish=read_finish(seen.status or "completed", seen.incomplete_details, calls=calls),
        service=seen.service_tier,
        content_bytes=0 if usage is not None else _content_bytes(read_reply(body)),
        complete=True,
    )


def _check(seen: WireGlance, body: bytes) -> None:
    if seen.status in _FAILED:
        error = said(seen.error)
        raise read_failure(None if error is None else decode_answer(WireError, bytes(error)))
    if seen.object == "error" or said(seen.error) is not None:
        raise read_stream_error(json.decode(body, type=dict[str, object]))
    if seen.output is None:
        raise UpstreamGarbled("the upstream's answer has no output")


def read_item(raw: Raw) -> WireItem | None:
    """An item of a kind this gateway carries, else None. Raises UpstreamGarbled for one that does not fit its kind."""
    item = bytes(raw)
    kind = decode_answer(ItemKind, item).type
    return decode_answer(WireItem, item) if kind in ("message", "reasoning", "function_call") else None


def read_parts(item: WireItem) -> Iterator[Part]:
    """What an item says, part by part."""
    match item.type:
        case "message":
            yield from (_read_part(part) for part in item.content or () if part.type in ("output_text", "refusal"))
        case "reasoning":
            thought = read_thought(item.summary or (), read_content_thoughts(item), item.encrypted_content)
            if thought is not None:
                yield thought
        case _:
            yield ToolCall(id=item.call_id or item.id or "", name=item.name or "", arguments=item.arguments or "")


def read_content_thoughts(item: WireItem) -> list[Thought]:
    """What open models think aloud: the content of a reasoning item."""
    return [Thought(text=part.text) for part in item.content or ()]


def _read_part(part: WirePart) -> Part:
    if part.type == "refusal":
        return Refusal(text=part.refusal)
    return Text(text=part.text, citations=read_annotations(part.annotations, part.citations))


def _read_logprobs(items: Sequence[WireItem]) -> Raw | None:
    """Log probabilities as chat completions have them: one list for the whole answer."""
    found = [raw for item in items for part in item.content or () for raw in part.logprobs or ()]
    return Raw(json.encode({"content": found})) if found else None


def _content_bytes(completion: Completion) -> int:
    return sum(
        len(piece.encode())
        for choice in completion.choices
        for part in choice.parts
        for piece in (getattr(part, "text", ""), getattr(part, "arguments", ""))
    )


def write_reply(completion: Completion, asked: Chat | None) -> bytes:
    """The response object. Raises UpstreamGarbled for what none can hold: several choices, sound."""
    if len(completion.choices) != 1 or completion.choices[0].index != 0:
        raise UpstreamGarbled(f"the upstream gave {len(completion.choices)} choices where one was asked for")
    choice = completion.choices[0]
    status, reason = write_finish(choice.finish, refused=any(isinstance(part, Refusal) for part in choice.parts))
    identity = Identity(
        id=completion.id,
        model=completion.model,
        created_seconds=completion.created_seconds,
        service_tier=completion.service_tier,
    )
    output = _write_output(choice, identity)
    if status == "incomplete" and output and "status" in output[-1]:
        output[-1]["status"] = status
    ending = Ending(status=status, incomplete_reason=reason, usage=completion.usage or Usage(estimated=True))
    return json.encode(response_object(identity, asked, output, ending))


def _write_output(choice: Choice, identity: Identity) -> list[Block]:
    output: list[Block] = []
    content: list[Block] = []
    spoken: list[Block] = []
    for part in choice.parts:
        if not isinstance(part, Text | Refusal):
            content = []
            output.append(_write_deed(part, identity, len(output)))
            continue
        if not content:
            output.append(message_item(identity.item_id("msg", len(output)), content, "completed"))
        content.append(write_output_part(part))
        spoken.append(content[-1])
    logprobs = logprob_items(choice.logprobs)
    first = next((block for block in spoken if block["type"] == "output_text"), None)
    if first is not None:
        first["logprobs"] = logprobs
    return output


def message_item(id: str, content: list[Block], status: str) -> Block:
    """A message of the assistant, as an output item."""
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def call_item(id: str, call: ToolCall, status: str) -> Block:
    """A call of a function, as an output item."""
    return {
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


def reasoning_item(id: str, part: Thinking | RedactedThinking) -> Block:
    """Thinking, as an output item."""
    return {"id": id, **write_thought(part)}


def _write_deed(part: Part, identity: Identity, index: int) -> Block:
    match part:
        case ToolCall():
            return call_item(identity.item_id("fc", index), part, "completed")
        case Thinking() | RedactedThinking():
            return reasoning_item(identity.item_id("rs", index), part)
        case _:
            raise UpstreamGarbled(f"the upstream's answer holds {type(part).__name__}, which no response can")


def logprob_items(logprobs: Raw | None) -> list[Raw]:
    """The log probabilities of the text's tokens, out of chat completions' object."""
    if logprobs is None:
        return []
    content = json.decode(logprobs, type=dict[str, list[Raw] | None]).get("content")
    return list(content or ())
