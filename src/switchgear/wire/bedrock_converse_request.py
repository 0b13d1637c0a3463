"""Reading a Converse or ConverseStream request (Amazon Bedrock API Reference, API_runtime_Converse).

The model, and whether to stream, stand in the path: a chat read here has neither. Top-level fields without an equal
(guardrails, performance, prompt variables) go to ``Chat.own``.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Raw, Struct, json, structs

from switchgear.kernel.chat import Chat, Message, ResponseFormat, Text, Tool, ToolChoice, ToolResult
from switchgear.kernel.errors import BadRequest
from switchgear.wire import bedrock_converse_fields
from switchgear.wire.bedrock_converse_blocks import CachePoint, ContentBlock, read_content
from switchgear.wire.bedrock_converse_media import refused
from switchgear.wire.json_body import ABSENT, decode, said, unknown_members

SCHEMA_NAME: Final = "response"
"""Converse's schemas need no name; OpenAI's must have one."""
RESPONSE_PATHS: Final = "additionalModelResponseFieldPaths"
STOP_SEQUENCE_PATH: Final = "/stop_sequence"
"""Where Anthropic's models tell which sequence stopped them; a path that a model does not know is ignored."""


class WireMessage(Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system"]
    content: list[ContentBlock]


class SystemBlock(Struct, rename="camel", forbid_unknown_fields=True):
    text: str | None = None
    cache_point: CachePoint | None = None


class InferenceConfig(Struct, rename="camel", forbid_unknown_fields=True):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class InputSchema(Struct, forbid_unknown_fields=True):
    json: Raw


class ToolSpec(Struct, rename="camel", forbid_unknown_fields=True):
    name: str
    input_schema: InputSchema
    description: str | None = None
    strict: bool | None = None


class WireTool(Struct, rename="camel", forbid_unknown_fields=True):
    tool_spec: ToolSpec | None = None
    cache_point: CachePoint | None = None


class Nothing(Struct, forbid_unknown_fields=True):
    """``{}``."""


class NamedTool(Struct, forbid_unknown_fields=True):
    name: str


class WireToolChoice(Struct, forbid_unknown_fields=True):
    """One of the members is set."""

    auto: Nothing | None = None
    any: Nothing | None = None
    tool: NamedTool | None = None


class ToolConfig(Struct, rename="camel", forbid_unknown_fields=True):
    tools: list[WireTool]
    tool_choice: WireToolChoice | None = None


class JsonSchema(Struct, forbid_unknown_fields=True):
    schema: str
    """A JSON Schema, as text."""
    name: str | None = None
    description: str | None = None


class Structure(Struct, rename="camel", forbid_unknown_fields=True):
    json_schema: JsonSchema


class TextFormat(Struct, forbid_unknown_fields=True):
    type: Literal["json_schema"]
    structure: Structure


class OutputConfig(Struct, rename="camel", forbid_unknown_fields=True):
    text_format: TextFormat | None = None
    effort: str | None = None


class ServiceTier(Struct, forbid_unknown_fields=True):
    type: str


class WireRequest(Struct, rename="camel"):
    messages: list[WireMessage] = []
    system: list[SystemBlock] | None = None
    inference_config: InferenceConfig | None = None
    tool_config: ToolConfig | None = None
    additional_model_request_fields: Raw = ABSENT
    output_config: OutputConfig | None = None
    request_metadata: dict[str, str] | None = None
    service_tier: ServiceTier | None = None


def read_request(body: bytes) -> Chat:
    """Raises BadRequest or UnsupportedField, naming the field."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None
    wire = decode(WireRequest, body)
    limits = wire.inference_config or InferenceConfig()
    tools = wire.tool_config
    output = wire.output_config or OutputConfig()
    fields = bedrock_converse_fields.read_fields(said(wire.additional_model_request_fields), output.effort)
    rest = () if fields.rest is None else ((bedrock_converse_fields.FIELD, fields.rest),)
    return Chat(
        model="",
        messages=(*_read_system(wire.system or ()), *_read_messages(wire.messages)),
        max_output_tokens=limits.max_tokens,
        temperature=limits.temperature,
        top_p=limits.top_p,
        top_k=fields.top_k,
        stop=tuple(limits.stop_sequences or ()),
        tools=() if tools is None else _read_tools(tools.tools),
        tool_choice=None if tools is None or tools.tool_choice is None else _read_tool_choice(tools.tool_choice),
        response_format=_read_format(output.text_format),
        reasoning=fields.reasoning,
        metadata=None if wire.request_metadata is None else Raw(json.encode(wire.request_metadata)),
        service_tier=None if wire.service_tier is None else wire.service_tier.type,
        own=(*rest, *_others(body)),
    )


def _others(body: bytes) -> Iterator[tuple[str, Raw]]:
    """Members without a place in the canonical form, which always tells a stop sequence if it can."""
    for name, value in unknown_members(WireRequest, body):
        asks_only_that = name == RESPONSE_PATHS and json.decode(value) == [STOP_SEQUENCE_PATH]
        if said(value) is not None and not asks_only_that:
            yield name, value


def _read_system(blocks: Iterable[SystemBlock]) -> tuple[Message, ...]:
    parts: list[Text] = []
    for at, block in enumerate(blocks):
        if block.cache_point is not None:
            if not parts:
                raise refused(f"system[{at}].cachePoint", "there is nothing before it to be cached")
            parts[-1] = structs.replace(parts[-1], cache=block.cache_point.cache())
        elif block.text is not None:
            parts.append(Text(text=block.text))
        else:
            raise BadRequest(f"system[{at}] must hold text or a cachePoint", param=f"system[{at}]")
    return (Message(role="system", parts=tuple(parts)),) if parts else ()


def _read_messages(messages: list[WireMessage]) -> Iterator[Message]:
    for at, message in enumerate(messages):
        place = f"messages[{at}].content"
        parts = read_content(message.content, place)
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        if results and message.role != "user":
            raise BadRequest(f"{place}: only a user can give tool results", param=place)
        if results:
            yield Message(role="tool", parts=results)
        others = tuple(part for part in parts if not isinstance(part, ToolResult))
        if others or not results:
            yield Message(role=message.role, parts=others)


def _read_tools(tools: list[WireTool]) -> tuple[Tool, ...]:
    found: list[Tool] = []
    for at, tool in enumerate(tools):
        place = f"toolConfig.tools[{at}]"
        if tool.cache_point is not None:
            if not found:
                raise refused(f"{place}.cachePoint", "there is nothing before it to be cached")
            found[-1] = structs.replace(found[-1], cache=tool.cache_point.cache())
        elif tool.tool_spec is not None:
            spec = tool.tool_spec
            schema = said(spec.input_schema.json)
            found.append(Tool(name=spec.name, description=spec.description, parameters=schema, strict=spec.strict))
        else:
            raise BadRequest(f"{place} must hold a toolSpec or a cachePoint", param=place)
    return tuple(found)


def _read_tool_choice(choice: WireToolChoice) -> ToolChoice:
    if choice.tool is not None:
        return ToolChoice(mode="named", name=choice.tool.name)
    if choice.any is not None:
        return ToolChoice(mode="required")
    if choice.auto is not None:
        return ToolChoice(mode="auto")
    raise BadRequest("toolConfig.toolChoice must hold auto, any or tool", param="toolConfig.toolChoice")


def _read_format(wanted: TextFormat | None) -> ResponseFormat | None:
    if wanted is None:
        return None
    asked = wanted.structure.json_schema
    place = "outputConfig.textFormat.structure.jsonSchema.schema"
    try:
        schema = Raw(json.encode(json.decode(asked.schema, type=dict[str, Raw])))
    except ValueError:
        raise BadRequest(f"{place} must be a JSON object, as text", param=place) from None
    # What Bedrock is given a schema for, it always enforces.
    return ResponseFormat(
        kind="json_schema",
        name=asked.name or SCHEMA_NAME,
        schema=schema,
        strict=True,
        description=asked.description,
    )
