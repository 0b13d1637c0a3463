"""OpenAI chat completion requests, both ways.

Unknown top-level fields are kept in ``Chat.extra`` and written again, because servers of this dialect know many of
their own; what another dialect can say and OpenAI cannot is refused with UnsupportedField. ``top_k`` is read and
written as vLLM and its like know it.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Final, Literal, TypeVar

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import AudioOutput, Chat, Reasoning, ResponseFormat, Tool, ToolChoice
from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.json_body import ABSENT, decode, members, object_text, said, splice, unknown_members
from switchgear.wire.openai_chat_messages import WireMessage, read_messages, write_messages
from switchgear.wire.openai_chat_parts import CacheControl, read_cache, write_cache

# Where a budget of thinking tokens becomes an effort: OpenAI takes no number.
_MEDIUM_BUDGET_TOKENS: Final = 4_096
_HIGH_BUDGET_TOKENS: Final = 16_384
_NO_EFFORT: Final = "none"

V = TypeVar("V")


class WireStreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    """Padding against eavesdroppers on one connection; it does not travel."""


class WireFunction(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class WireTool(Struct, omit_defaults=True, forbid_unknown_fields=True):
    function: WireFunction
    type: Literal["function"]
    cache_control: CacheControl | None = None


class FunctionName(Struct, forbid_unknown_fields=True):
    name: str


class NamedTool(Struct, forbid_unknown_fields=True):
    function: FunctionName
    type: Literal["function"]


class JsonSchema(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class WireResponseFormat(Struct, omit_defaults=True, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class WireAudioOutput(Struct, forbid_unknown_fields=True):
    voice: str
    format: str


class WireRequest(Struct):
    model: str
    messages: list[WireMessage]
    stream: bool | None = None
    stream_options: WireStreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    logit_bias: Raw = ABSENT
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[WireTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    functions: list[WireFunction] | None = None
    function_call: Literal["none", "auto"] | FunctionName | None = None
    response_format: WireResponseFormat | None = None
    reasoning_effort: str | None = None
    modalities: list[str] | None = None
    audio: WireAudioOutput | None = None
    user: str | None = None
    metadata: Raw = ABSENT
    service_tier: str | None = None


def read_request(body: bytes) -> Chat:
    """Raises BadRequest or UnsupportedField, naming the field."""
    wire = decode(WireRequest, body)
    return Chat(
        model=wire.model,
        messages=read_messages(wire.messages),
        stream=wire.stream is True,
        include_usage=wire.stream_options is not None and wire.stream_options.include_usage is True,
        max_output_tokens=first_said(wire.max_completion_tokens, wire.max_tokens),
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        frequency_penalty=wire.frequency_penalty,
        presence_penalty=wire.presence_penalty,
        seed=wire.seed,
        stop=read_stop(wire.stop),
        choices=wire.n,
        logit_bias=said(wire.logit_bias),
        logprobs=wire.logprobs,
        top_logprobs=wire.top_logprobs,
        tools=tuple(_read_tools(wire)),
        tool_choice=_read_tool_choice(wire),
        parallel_tool_calls=wire.parallel_tool_calls,
        response_format=_read_response_format(wire.response_format),
        reasoning=read_effort(wire.reasoning_effort),
        modalities=tuple(wire.modalities or ()),
        audio_output=None if wire.audio is None else AudioOutput(voice=wire.audio.voice, format=wire.audio.format),
        user=wire.user,
        metadata=said(wire.metadata),
        service_tier=wire.service_tier,
        extra=unknown_members(WireRequest, body),
    )


def write_request(chat: Chat, output_limit_field: str) -> bytes:
    """The body; ``output_limit_field`` names the field for ``max_output_tokens``. Raises UnsupportedField."""
    audio = chat.audio_output
    return object_text(
        (
            ("model", chat.model),
            ("messages", write_messages(chat.messages)),
            ("stream", chat.stream or None),
            ("stream_options", {"include_usage": True} if chat.include_usage else None),
            (output_limit_field, chat.max_output_tokens),
            *sampling_fields(chat),
            ("logprobs", chat.logprobs),
            ("top_logprobs", chat.top_logprobs),
            ("tools", [_write_tool(tool) for tool in chat.tools] or None),
            ("tool_choice", _write_tool_choice(chat.tool_choice)),
            ("parallel_tool_calls", chat.parallel_tool_calls),
            ("response_format", _write_response_format(chat.response_format)),
            ("reasoning_effort", write_effort(chat.reasoning)),
            ("modalities", chat.modalities or None),
            ("audio", None if audio is None else WireAudioOutput(voice=audio.voice, format=audio.format)),
            ("metadata", chat.metadata),
            ("service_tier", chat.service_tier),
            *carried_fields(chat, WireRequest),
        )
    )


def carried_fields(chat: Chat, kind: type[Struct], own: Container[str] = ()) -> Iterator[tuple[str, Raw]]:
    """The fields that are carried without being understood, for a body that else has the members of ``kind``.

    Raises UnsupportedField for a field of another dialect's that is not in ``own``, and for a name that meant nothing
    to the dialect of origin and is one of ``kind``'s: it would take on a meaning that the client's dialect cannot
    answer in (a second choice, another limit).
    """
    for name, value in chat.own:
        if name not in own:
            raise UnsupportedField(f"{name}: it has no equal in OpenAI's dialect", param=name)
        yield name, value
    for name, value in chat.extra:
        if name in kind.__struct_encode_fields__ or name in own:
            raise UnsupportedField(f"{name}: the dialect of the request has no such field", param=name)
        yield name, value


def sampling_fields(chat: Chat) -> Iterator[tuple[str, object]]:
    """The fields that chat and legacy completions write alike."""
    yield "temperature", chat.temperature
    yield "top_p", chat.top_p
    yield "top_k", chat.top_k
    yield "frequency_penalty", chat.frequency_penalty
    yield "presence_penalty", chat.presence_penalty
    yield "seed", chat.seed
    yield "stop", chat.stop or None
    yield "n", chat.choices
    yield "logit_bias", chat.logit_bias
    yield "user", chat.user


def first_said(*values: V | None) -> V | None:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)


def read_stop(stop: str | Iterable[str] | None) -> tuple[str, ...]:
    """Stop sequences, however many ways they may be written."""
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _read_tools(wire: WireRequest) -> Iterator[Tool]:
    for tool in wire.tools or ():
        yield _read_function(tool.function, tool.cache_control)
    for function in wire.functions or ():
        yield _read_function(function, None)


def _read_function(function: WireFunction, cache: CacheControl | None) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        parameters=said(function.parameters),
        strict=function.strict,
        cache=read_cache(cache),
    )


def _write_tool(tool: Tool) -> WireTool:
    function = WireFunction(
        name=tool.name, description=tool.description, parameters=tool.parameters or ABSENT, strict=tool.strict
    )
    return WireTool(type="function", function=function, cache_control=write_cache(tool.cache))


def _read_tool_choice(wire: WireRequest) -> ToolChoice | None:
    choice = wire.function_call if wire.tool_choice is None else wire.tool_choice
    match choice:
        case None:
            return None
        case NamedTool(function=FunctionName(name=name)) | FunctionName(name=name):
            return ToolChoice(mode="named", name=name)
        case "none" | "auto" | "required" as mode:
            return ToolChoice(mode=mode)


def _write_tool_choice(choice: ToolChoice | None) -> NamedTool | str | None:
    if choice is None or choice.mode != "named":
        return None if choice is None else choice.mode
    return NamedTool(type="function", function=FunctionName(name=choice.name or ""))


def _read_response_format(wire: WireResponseFormat | None) -> ResponseFormat | None:
    if wire is None:
        return None
    given = wire.json_schema
    if given is None:
        return ResponseFormat(kind=wire.type)
    return ResponseFormat(
        kind=wire.type,
        name=given.name,
        schema=said(given.schema),
        strict=given.strict,
        description=given.description,
    )


def _write_response_format(wanted: ResponseFormat | None) -> WireResponseFormat | None:
    if wanted is None or wanted.kind != "json_schema":
        return None if wanted is None else WireResponseFormat(type=wanted.kind)
    # OpenAI insists on a name; dialects without one mean no more than "the answer".
    schema = JsonSchema(
        name=wanted.name or "answer",
        description=wanted.description,
        schema=wanted.schema or ABSENT,
        strict=wanted.strict,
    )
    return WireResponseFormat(type="json_schema", json_schema=schema)


def read_effort(effort: str | None) -> Reasoning | None:
    if effort is None:
        return None
    return Reasoning(enabled=False) if effort == _NO_EFFORT else Reasoning(effort=effort)


def write_effort(reasoning: Reasoning | None) -> str | None:
    """An effort by name; a budget becomes the nearest one, and "as you see fit" is what saying nothing means."""
    if reasoning is None:
        return None
    if not reasoning.enabled:
        return _NO_EFFORT
    if reasoning.effort is not None or reasoning.budget_tokens is None:
        return reasoning.effort
    if reasoning.budget_tokens >= _HIGH_BUDGET_TOKENS:
        return "high"
    return "medium" if reasoning.budget_tokens >= _MEDIUM_BUDGET_TOKENS else "low"


class _StreamOptionsOnly(Struct):
    stream_options: dict[str, Raw] | None = None


def usage_asked(body: bytes) -> bytes | None:
    """The ``stream_options`` that make a stream tell its usage; None when the body has them so already."""
    options = decode(_StreamOptionsOnly, body).stream_options or {}
    if bytes(options.get("include_usage", b"")) == b"true":
        return None
    return json.encode(options | {"include_usage": True})


def with_older_limit(body: bytes) -> bytes:
    """``body`` with ``max_tokens`` beside ``max_completion_tokens``, for servers that read only the former."""
    found = members(body)
    limit = found.get("max_completion_tokens")
    if limit is None or "max_tokens" in found:
        return body
    return splice(body, {"max_tokens": bytes(limit)})
