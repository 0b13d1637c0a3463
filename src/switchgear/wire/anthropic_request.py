"""Reading an Anthropic request (``POST /v1/messages``, and ``/count_tokens``, which has no ``max_tokens``).

Specification: docs.claude.com/en/api/messages. Server tools and block kinds without an equal are refused by name;
top-level fields without an equal go to ``Chat.own`` when they are Anthropic's, else to ``Chat.extra``.
"""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Raw, Struct

from switchgear.kernel.chat import (
    Chat,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.anthropic_ask import OWN_FIELDS
from switchgear.wire.anthropic_blocks import CacheControl, ContentBlock, TextBlock, read_block, read_cache, read_text
from switchgear.wire.json_body import ABSENT, decode, said, unknown_members

SCHEMA_NAME: Final = "response"
"""Anthropic's schemas have no name; OpenAI's must."""
_TIERS: Final = {"auto": "auto", "standard_only": "default"}


class WireMessage(Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock]


class WireTool(Struct, forbid_unknown_fields=True):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: Raw = ABSENT
    strict: bool | None = None
    cache_control: CacheControl | None = None


class WireToolChoice(Struct, forbid_unknown_fields=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class WireThinking(Struct, forbid_unknown_fields=True):
    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized"] | None = None
    """``summarized`` asks for thoughts that can be read, which is what another dialect gives as well."""


class WireFormat(Struct, tag="json_schema", tag_field="type", forbid_unknown_fields=True):
    schema: Raw


class WireOutputConfig(Struct, forbid_unknown_fields=True):
    effort: str | None = None
    format: WireFormat | None = None


class WireMetadata(Struct, forbid_unknown_fields=True):
    user_id: str | None = None


class WireRequest(Struct):
    model: str
    messages: list[WireMessage]
    max_tokens: int | None = None
    system: str | list[TextBlock] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[WireTool] | None = None
    tool_choice: WireToolChoice | None = None
    thinking: WireThinking | None = None
    output_config: WireOutputConfig | None = None
    output_format: WireFormat | None = None
    """The beta's name for ``output_config.format``."""
    metadata: WireMetadata | None = None
    service_tier: str | None = None


def read_request(body: bytes) -> Chat:
    """Raises BadRequest or UnsupportedField, naming the field; ``max_tokens`` must be there."""
    chat = read_count_request(body)
    if chat.max_output_tokens is None:
        raise BadRequest("max_tokens is required", param="max_tokens")
    return chat


def read_count_request(body: bytes) -> Chat:
    """The same request without the need for ``max_tokens``."""
    wire = _decode(body)
    choice = wire.tool_choice
    others = [(name, value) for name, value in unknown_members(WireRequest, body) if said(value) is not None]
    return Chat(
        model=wire.model,
        messages=(*_read_system(wire.system), *_read_messages(wire.messages)),
        stream=bool(wire.stream),
        include_usage=bool(wire.stream),
        max_output_tokens=wire.max_tokens,
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        stop=tuple(wire.stop_sequences or ()),
        tools=tuple(_read_tool(tool, f"tools[{at}]") for at, tool in enumerate(wire.tools or ())),
        tool_choice=None if choice is None else _read_tool_choice(choice),
        parallel_tool_calls=_read_parallel(choice),
        response_format=_read_format(wire),
        reasoning=_read_reasoning(wire.thinking, wire.output_config),
        user=None if wire.metadata is None else wire.metadata.user_id,
        service_tier=_read_tier(wire.service_tier),
        own=tuple((name, value) for name, value in others if name in OWN_FIELDS),
        extra=tuple((name, value) for name, value in others if name not in OWN_FIELDS),
    )


def _decode(body: bytes) -> WireRequest:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None
    try:
        return decode(WireRequest, body)
    except UnsupportedField:
        raise
    except BadRequest as error:
        param = error.param or ""
        # A block kind that is spelled but not known to the decoder exists at Anthropic only (or nowhere).
        if ".content[" in param and param.endswith(".type") and error.message.startswith(f"{param}: invalid value"):
            raise UnsupportedField(f"{error.message}: it has no equal in another dialect", param=param) from None
        raise


def _read_system(system: str | list[TextBlock] | None) -> tuple[Message, ...]:
    if not system:
        return ()
    if isinstance(system, str):
        return (Message(role="system", parts=(read_text(TextBlock(text=system)),)),)
    return (Message(role="system", parts=tuple(read_text(block) for block in system)),)


def _read_messages(messages: list[WireMessage]) -> Iterator[Message]:
    for at, message in enumerate(messages):
        parts = _read_content(message.content, f"messages[{at}].content")
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        if results and message.role != "user":
            raise BadRequest(f"messages[{at}]: only a user can give tool results", param=f"messages[{at}].content")
        if results:
            yield Message(role="tool", parts=results)
        others = tuple(part for part in parts if not isinstance(part, ToolResult))
        if others or not results:
            yield Message(role=message.role, parts=others)


def _read_content(content: str | list[ContentBlock], place: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (read_text(TextBlock(text=content)),)
    return tuple(read_block(block, f"{place}[{at}]") for at, block in enumerate(content))


def _read_tool(tool: WireTool, place: str) -> Tool:
    if tool.type not in (None, "custom"):
        reason = f"{tool.type} runs at Anthropic and has no equal in another dialect"
        raise UnsupportedField(f"{place}.type: {reason}", param=f"{place}.type")
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=said(tool.input_schema),
        strict=tool.strict,
        cache=read_cache(tool.cache_control),
    )


def _read_tool_choice(choice: WireToolChoice) -> ToolChoice:
    match choice.type:
        case "any":
            return ToolChoice(mode="required")
        case "tool":
            if not choice.name:
                raise BadRequest("tool_choice.name is required to choose a tool", param="tool_choice.name")
            return ToolChoice(mode="named", name=choice.name)
        case _:
            return ToolChoice(mode=choice.type)


def _read_parallel(choice: WireToolChoice | None) -> bool | None:
    if choice is None or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


def _read_format(wire: WireRequest) -> ResponseFormat | None:
    asked = wire.output_config.format if wire.output_config is not None else None
    asked = asked or wire.output_format
    if asked is None:
        return None
    schema = Raw(bytes(asked.schema))
    # What Anthropic is given a schema for, it always enforces.
    return ResponseFormat(kind="json_schema", name=SCHEMA_NAME, schema=schema, strict=True)


def _read_reasoning(thinking: WireThinking | None, config: WireOutputConfig | None) -> Reasoning | None:
    effort = None if config is None else config.effort
    if thinking is None:
        return None if effort is None else Reasoning(effort=effort)
    if thinking.type == "enabled" and thinking.budget_tokens is None:
        raise BadRequest("thinking.budget_tokens is required", param="thinking.budget_tokens")
    return Reasoning(
        enabled=thinking.type != "disabled",
        effort=effort,
        budget_tokens=thinking.budget_tokens,
        adaptive=thinking.type == "adaptive",
    )


def _read_tier(tier: str | None) -> str | None:
    if tier is None:
        return None
    return _TIERS.get(tier, tier)
