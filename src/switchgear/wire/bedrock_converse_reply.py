"""Converse's whole answers, both ways (Amazon Bedrock API Reference, API_runtime_Converse)."""

from collections.abc import Iterator
from typing import Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.chat import (
    Choice,
    Completion,
    Finish,
    Image,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import UnsupportedField, UpstreamError, UpstreamGarbled
from switchgear.wire.anthropic_blocks import as_input
from switchgear.wire.bedrock_converse_blocks import (
    CitationsContent,
    own_citations,
    read_citations_content,
    write_citations_content,
    write_thinking,
)
from switchgear.wire.bedrock_converse_media import Block, WireImage, is_base64, read_image, write_image
from switchgear.wire.bedrock_converse_usage import WireUsage, read_finish, read_usage, write_finish, write_usage
from switchgear.wire.bedrock_errors import read_hidden_error
from switchgear.wire.json_body import ABSENT, decode_answer, said, unknown_members

UNTOLD: Final = Usage(estimated=True)
NO_METRICS: Final = {"latencyMs": 0}
"""SDKs type the latency as always there; who translates an answer does not know it."""
_OWN_FIELDS: Final = frozenset(("additionalModelResponseFields", "metrics", "performanceConfig", "trace"))
_MORE: Final = "additionalModelResponseFields"


class AnsweredCall(Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: Raw = ABSENT
    type: str | None = None
    """Set for tools that ran at the model's own provider."""


class AnsweredThought(Struct):
    text: str = ""
    signature: str | None = None


class AnsweredReasoning(Struct, rename="camel"):
    reasoning_text: AnsweredThought | None = None
    redacted_content: str | None = None


class WireBlock(Struct, rename="camel"):
    """Any block of an answer; those of other kinds have none of these members."""

    text: str | None = None
    tool_use: AnsweredCall | None = None
    reasoning_content: AnsweredReasoning | None = None
    citations_content: CitationsContent | None = None
    image: WireImage | None = None


class WireMessage(Struct):
    content: list[WireBlock] = []


class WireOutput(Struct):
    message: WireMessage | None = None


class WireTier(Struct):
    type: str | None = None


class WireReply(Struct, rename="camel"):
    output: WireOutput | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    service_tier: WireTier | None = None
    additional_model_response_fields: Raw = ABSENT


class WireGlance(Struct, rename="camel"):
    """What accounting needs of an answer."""

    output: Raw = ABSENT
    stop_reason: str | None = None
    usage: WireUsage | None = None


class WireError(Struct):
    message: Raw = ABSENT


class MoreFields(Struct):
    stop_sequence: str | None = None


def read_reply(body: bytes) -> Completion:
    """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200.

    Blocks of server tools are passed over: no translated request can have asked for them.
    """
    wire = decode_answer(WireReply, body)
    if wire.output is None:
        raise _without_output(body)
    if wire.output.message is None:
        raise UpstreamGarbled("the upstream's answer has no message")
    parts = [_read_part(block) for block in wire.output.message.content]
    stop_sequence, more = read_more(wire.additional_model_response_fields)
    choice = Choice(
        parts=tuple(part for part in parts if part is not None),
        finish=None if wire.stop_reason is None else read_finish(wire.stop_reason),
        stop_sequence=stop_sequence,
    )
    others = unknown_members(WireReply, body, UpstreamGarbled)
    return Completion(
        id="",
        model="",
        choices=(choice,),
        usage=None if wire.usage is None else read_usage(wire.usage),
        service_tier=None if wire.service_tier is None else wire.service_tier.type,
        extra=(*more, *((name, value) for name, value in others if said(value) is not None)),
    )


def glance(body: bytes) -> Tally:
    """Usage and finish alone; raises as :func:`read_reply` does."""
    wire = decode_answer(WireGlance, body)
    if said(wire.output) is None:
        raise _without_output(body)
    return Tally(
        usage=None if wire.usage is None else read_usage(wire.usage),
        finish=None if wire.stop_reason is None else read_finish(wire.stop_reason),
        complete=True,
    )


def _without_output(body: bytes) -> UpstreamError:
    error = read_hidden_error(body)
    if error.kind is None and said(decode_answer(WireError, body).message) is None:
        return UpstreamGarbled("the upstream's answer has no output")
    return error


def read_more(fields: Raw) -> tuple[str | None, tuple[tuple[str, Raw], ...]]:
    """The stop sequence among the model's own fields, and what else they hold, as an extra field."""
    given = said(fields)
    if given is None:
        return None, ()
    try:
        stop_sequence = json.decode(given, type=MoreFields).stop_sequence
        rest = {
            name: value for name, value in json.decode(given, type=dict[str, Raw]).items() if name != "stop_sequence"
        }
    except (ValidationError, DecodeError):
        return None, ((_MORE, given),)
    return stop_sequence, ((_MORE, Raw(json.encode(rest))),) if rest else ()


def write_more(stop_sequence: str | None) -> Block:
    """The member that tells which sequence stopped the model."""
    return {} if stop_sequence is None else {_MORE: {"stop_sequence": stop_sequence}}


def _read_part(block: WireBlock) -> Part | None:
    if block.text is not None:
        return Text(text=block.text)
    if block.tool_use is not None:
        return _read_call(block.tool_use)
    if block.reasoning_content is not None:
        return _read_reasoning(block.reasoning_content)
    if block.citations_content is not None:
        return read_citations_content(block.citations_content)
    return None if block.image is None else read_image(block.image, "output.message.content")


def _read_call(call: AnsweredCall) -> ToolCall | None:
    if call.type is not None:
        return None
    given = said(call.input)
    try:
        arguments = "{}" if given is None else bytes(given).decode()
    except UnicodeDecodeError:
        raise UpstreamGarbled("the input of a tool call is not valid UTF-8") from None
    return ToolCall(id=call.tool_use_id, name=call.name, arguments=arguments)


def _read_reasoning(reasoning: AnsweredReasoning) -> Part | None:
    if reasoning.redacted_content is not None:
        return RedactedThinking(data=reasoning.redacted_content)
    thought = reasoning.reasoning_text
    return None if thought is None else Thinking(text=thought.text, signature=thought.signature or None)


def write_reply(completion: Completion) -> bytes:
    """The answer as Converse gives it; without usage the counts are 0 and marked as an estimate.

    Log probabilities and fields of another dialect have no place here and no client of Converse asked for them.
    Raises UpstreamGarbled for what no message can hold: several choices, sound, arguments that are no JSON object.
    """
    if len(completion.choices) != 1 or completion.choices[0].index != 0:
        raise UpstreamGarbled(f"the upstream gave {len(completion.choices)} choices where one was asked for")
    choice = completion.choices[0]
    message = {"role": "assistant", "content": [_write_part(part, choice) for part in choice.parts]}
    answer: Block = {"output": {"message": message}}
    if choice.finish is not None:
        answer["stopReason"] = write_finish(told_finish(choice))
    answer["usage"] = write_usage(completion.usage or UNTOLD)
    answer["metrics"] = NO_METRICS
    if completion.service_tier is not None:
        answer["serviceTier"] = {"type": completion.service_tier}
    return json.encode(answer | dict(_write_more(choice, completion)))


def told_finish(choice: Choice) -> Finish:
    """A refusal is a part elsewhere and a stop reason here."""
    refuses = any(isinstance(part, Refusal) for part in choice.parts)
    return "refusal" if refuses and choice.finish == "stop" else choice.finish or "stop"


def _write_more(choice: Choice, completion: Completion) -> Iterator[tuple[str, object]]:
    told = write_more(choice.stop_sequence)
    for name, value in completion.extra:
        if name == _MORE and told:
            told = {_MORE: {"stop_sequence": choice.stop_sequence, **json.decode(value, type=dict[str, Raw])}}
        elif name in _OWN_FIELDS:
            yield name, value
    yield from told.items()


def _write_part(part: Part, choice: Choice) -> Block:
    match part:
        case Text():
            return write_citations_content(part.text, own_citations(part.citations) if part.citations else [])
        case Refusal():
            return {"text": part.text}
        case Thinking():
            return write_thinking(part)
        case RedactedThinking():
            return write_redacted(part.data)
        case ToolCall():
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": _write_input(part, choice)}}
        case Image():
            return _write_image(part)
        case _:
            raise UpstreamGarbled(f"the upstream's answer holds {type(part).__name__}, which no message can")


def write_redacted(data: str) -> Block:
    """Redacted thinking. Clients keep the bytes that its base64 stands for, so what is none would come back changed.

    Raises UpstreamGarbled.
    """
    if not is_base64(data):
        raise UpstreamGarbled("the upstream's redacted thinking is not base64, so it would not come back unchanged")
    return {"reasoningContent": {"redactedContent": data}}


def _write_image(part: Image) -> Block:
    try:
        return write_image(part, "the answer")
    except UnsupportedField as error:
        raise UpstreamGarbled(error.message) from None


def _write_input(call: ToolCall, choice: Choice) -> Raw:
    found = as_input(call.arguments if call.arguments.strip() else "{}")
    if found is not None:
        return found
    if choice.finish == "length":
        # A call that the token limit cut off cannot be told as JSON; max_tokens says why it is empty.
        return Raw(b"{}")
    raise UpstreamGarbled(f"the arguments of the call {call.id} of {call.name} are not a JSON object")
