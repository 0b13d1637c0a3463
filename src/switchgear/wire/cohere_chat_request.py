"""Cohere chat requests (``POST /v2/chat``, docs.cohere.com/reference/chat), both ways.

Documents and the options for citations and safety have no place in the canonical form: they are carried in
``Chat.own`` and written again. What the canonical form can say and Cohere cannot is refused by name.
"""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Raw, Struct

from switchgear.kernel.chat import Chat, Reasoning, ResponseFormat, Tool, ToolChoice
from switchgear.kernel.errors import BadRequest
from switchgear.wire.anthropic_ask import EFFORT_BUDGET_TOKENS
from switchgear.wire.cohere_chat_messages import WireMessage, read_messages, write_messages
from switchgear.wire.cohere_chat_parts import refused
from switchgear.wire.json_body import ABSENT, decode, kept, object_text, said, unknown_members

OWN_FIELDS: Final = frozenset(
    ("documents", "citation_options", "safety_mode", "priority", "raw_prompting", "return_prompt")
)
"""Fields of Cohere's own that the canonical form only carries."""
_EMPTY_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')
_CHOICES: Final[dict[str, Literal["required", "none"]]] = {"REQUIRED": "required", "NONE": "none"}
_WIRE_CHOICES: Final = {"required": "REQUIRED", "none": "NONE"}
_STANDARD_TIERS: Final = (None, "auto", "default")


class WireFunction(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT


class WireTool(Struct, forbid_unknown_fields=True):
    function: WireFunction
    type: Literal["function"] = "function"


class WireFormat(Struct, omit_defaults=True, forbid_unknown_fields=True):
    type: Literal["text", "json_object"]
    json_schema: Raw = ABSENT
    schema: Raw = ABSENT
    """The first version's name for it."""


class WireThinking(Struct, omit_defaults=True, forbid_unknown_fields=True):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class WireRequest(Struct):
    model: str
    messages: list[WireMessage]
    stream: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    p: float | None = None
    k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None
    logprobs: bool | None = None
    tools: list[WireTool] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    response_format: WireFormat | None = None
    thinking: WireThinking | None = None


def read_request(body: bytes) -> Chat:
    """Raises BadRequest or UnsupportedField, naming the field."""
    wire = decode(WireRequest, body)
    check_utf8(body)
    choice = wire.tool_choice
    return Chat(
        model=wire.model,
        messages=read_messages(wire.messages),
        stream=wire.stream is True,
        include_usage=wire.stream is True,
        max_output_tokens=wire.max_tokens,
        temperature=wire.temperature,
        top_p=wire.p,
        top_k=wire.k,
        frequency_penalty=wire.frequency_penalty,
        presence_penalty=wire.presence_penalty,
        seed=wire.seed,
        stop=tuple(wire.stop_sequences or ()),
        logprobs=wire.logprobs,
        tools=tuple(_read_tool(tool.function, wire.strict_tools) for tool in wire.tools or ()),
        tool_choice=None if choice is None else ToolChoice(mode=_CHOICES[choice]),
        response_format=None if wire.response_format is None else _read_format(wire.response_format),
        reasoning=None if wire.thinking is None else _read_thinking(wire.thinking),
        own=tuple((name, value) for name, value in unknown_members(WireRequest, body) if said(value) is not None),
    )


def check_utf8(body: bytes) -> None:
    """Raises BadRequest for a body with bytes that no parser further on could read."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None


def _read_tool(function: WireFunction, strict: bool | None) -> Tool:
    return Tool(
        name=function.name, description=function.description, parameters=said(function.parameters), strict=strict
    )


def _read_format(wire: WireFormat) -> ResponseFormat:
    schema = said(wire.json_schema) or said(wire.schema)
    if schema is None:
        return ResponseFormat(kind=wire.type)
    # What Cohere is given a schema for, it always enforces.
    return ResponseFormat(kind="json_schema", schema=schema, strict=True)


def _read_thinking(wire: WireThinking) -> Reasoning:
    return Reasoning(enabled=wire.type == "enabled", budget_tokens=wire.token_budget)


def write_request(chat: Chat) -> bytes:
    """The body. Raises UnsupportedField for what Cohere cannot say."""
    _refuse_unsayable(chat)
    return object_text(
        (
            ("model", chat.model),
            ("messages", write_messages(chat.messages)),
            ("stream", chat.stream or None),
            ("max_tokens", chat.max_output_tokens),
            ("temperature", chat.temperature),
            ("p", chat.top_p),
            ("k", chat.top_k),
            ("frequency_penalty", chat.frequency_penalty),
            ("presence_penalty", chat.presence_penalty),
            ("seed", chat.seed),
            ("stop_sequences", chat.stop or None),
            ("logprobs", chat.logprobs),
            ("tools", [_write_tool(tool) for tool in chat.tools] or None),
            ("strict_tools", _strict(chat.tools)),
            ("tool_choice", _write_choice(chat)),
            ("response_format", _write_format(chat.response_format)),
            ("thinking", _write_thinking(chat)),
            *kept(chat, OWN_FIELDS, "Cohere"),
        )
    )


def _refuse_unsayable(chat: Chat) -> None:
    """Refuse what has no equal; a default that means nothing passes."""
    for field, is_said in _unsayable(chat):
        if is_said:
            raise refused(field, "it has no equal in Cohere's dialect")


def _unsayable(chat: Chat) -> Iterator[tuple[str, bool]]:
    yield "n", chat.choices not in (None, 1)
    yield "top_logprobs", bool(chat.top_logprobs)
    yield "logit_bias", chat.logit_bias is not None and bytes(chat.logit_bias).strip() not in (b"{}", b"null")
    yield "parallel_tool_calls", chat.parallel_tool_calls is False and bool(chat.tools)
    yield "modalities", bool(chat.modalities) and chat.modalities != ("text",)
    yield "audio", chat.audio_output is not None
    yield "user", chat.user is not None
    yield "metadata", chat.metadata is not None and bytes(chat.metadata).strip() not in (b"{}", b"null")
    yield "service_tier", chat.service_tier not in _STANDARD_TIERS


def _write_tool(tool: Tool) -> WireTool:
    parameters = tool.parameters if tool.parameters is not None else _EMPTY_SCHEMA
    return WireTool(function=WireFunction(name=tool.name, description=tool.description, parameters=parameters))


def _strict(tools: tuple[Tool, ...]) -> bool | None:
    """Cohere is strict about all tools or about none."""
    wishes = {tool.strict is True for tool in tools}
    if wishes == {True, False}:
        at = next(at for at, tool in enumerate(tools) if tool.strict is not True)
        raise refused(f"tools[{at}].strict", "Cohere is strict about all tools or about none")
    if wishes == {True}:
        return True
    return False if any(tool.strict is False for tool in tools) else None


def _write_choice(chat: Chat) -> str | None:
    choice = chat.tool_choice
    if choice is None or choice.mode == "auto":
        return None
    if choice.mode != "named":
        return _WIRE_CHOICES[choice.mode]
    if [tool.name for tool in chat.tools] == [choice.name]:
        return "REQUIRED"
    raise refused("tool_choice", "Cohere cannot be made to call one tool among several: offer that one alone")


def _write_format(wanted: ResponseFormat | None) -> WireFormat | None:
    if wanted is None:
        return None
    if wanted.description is not None:
        raise refused("response_format.json_schema.description", "put the description into the schema itself")
    if wanted.kind == "text":
        return WireFormat(type="text")
    return WireFormat(type="json_object", json_schema=wanted.schema if wanted.schema is not None else ABSENT)


def _write_thinking(chat: Chat) -> WireThinking | None:
    wanted = chat.reasoning
    if wanted is None:
        return None
    if not wanted.enabled:
        return WireThinking(type="disabled")
    if wanted.effort is not None and wanted.budget_tokens is not None:
        raise refused("output_config.effort", "Cohere takes a budget of thinking tokens or an effort, not both")
    if wanted.effort is None:
        return WireThinking(type="enabled", token_budget=wanted.budget_tokens)
    return WireThinking(type="enabled", token_budget=_budget(wanted.effort, chat.max_output_tokens))


def _budget(effort: str, max_tokens: int | None) -> int:
    """The budget for an effort by name, at most half of what the caller allows in all."""
    budget = EFFORT_BUDGET_TOKENS.get(effort)
    if budget is None:
        raise refused("reasoning_effort", f"{effort!r} is not one of {', '.join(EFFORT_BUDGET_TOKENS)}")
    return budget if max_tokens is None else min(budget, max(1, max_tokens // 2))
