"""Tools, the choice between them, and the format of the text in OpenAI's Responses API, both ways.

Functions are flat here where chat completions nest them, and strict unless they say otherwise. Hosted tools run at
the provider and are refused by name. ``allowed_tools`` is read as what it comes to: the tools that are allowed.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Raw, Struct

from switchgear.kernel.chat import ResponseFormat, Tool, ToolChoice
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.json_body import ABSENT, said
from switchgear.wire.openai_responses_items import ItemType, decoded
from switchgear.wire.openai_responses_parts import Block

_SCHEMA: Final = "json_schema"
_FUNCTION: Final = "function"
_UNNAMED_SCHEMA: Final = "answer"


class FunctionTool(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    type: Literal["function"]
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class NamedTool(Struct):
    type: str
    name: str | None = None


class WireToolChoice(Struct, forbid_unknown_fields=True):
    type: str
    name: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[NamedTool] | None = None


class WireFormat(Struct, omit_defaults=True, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None
    description: str | None = None


def read_tools(tools: Iterable[Raw] | None) -> tuple[Tool, ...]:
    """The functions. Raises UnsupportedField, naming the place, for a tool of any other kind."""
    return tuple(_read_tool(raw, f"tools[{at}]") for at, raw in enumerate(tools or ()))


def _read_tool(raw: Raw, place: str) -> Tool:
    kind = decoded(ItemType, raw, place).type
    if kind not in (_FUNCTION, None):
        reason = f"{kind[:100]!r} is no function, and nothing else has an equal in another dialect"
        raise UnsupportedField(f"{place}.type: {reason}", param=f"{place}.type")
    tool = decoded(FunctionTool, raw, place)
    return Tool(name=tool.name, description=tool.description, parameters=said(tool.parameters), strict=tool.strict)


def write_tool(tool: Tool) -> FunctionTool:
    """A function; one that says nothing is not strict elsewhere, and here that must be said."""
    return FunctionTool(
        type="function",
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters or ABSENT,
        strict=tool.strict is True,
    )


def read_choice(given: Raw, tools: Sequence[Tool]) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    """The choice, and the tools that it leaves. Raises BadRequest or UnsupportedField."""
    raw = said(given)
    if raw is None:
        return None, tuple(tools)
    if bytes(raw).startswith(b'"'):
        return ToolChoice(mode=_read_mode(decoded(str, raw, "tool_choice"))), tuple(tools)
    choice = decoded(WireToolChoice, raw, "tool_choice")
    match choice.type:
        case "function":
            if choice.name is None:
                raise BadRequest("tool_choice.name is required to choose a function", param="tool_choice.name")
            return ToolChoice(mode="named", name=choice.name), tuple(tools)
        case "allowed_tools":
            allowed = {tool.name for tool in choice.tools or () if tool.type == _FUNCTION}
            left = tuple(tool for tool in tools if tool.name in allowed)
            return ToolChoice(mode=choice.mode or "auto"), left
        case kind:
            raise UnsupportedField(
                f"tool_choice.type: {kind[:100]!r} has no equal in another dialect", param="tool_choice.type"
            )


def _read_mode(mode: str) -> Literal["none", "auto", "required"]:
    match mode:
        case "none" | "auto" | "required":
            return mode
        case _:
            raise BadRequest(f"tool_choice: {mode[:100]!r} is not one of none, auto, required", param="tool_choice")


def write_choice(choice: ToolChoice | None) -> str | Block | None:
    if choice is None or choice.mode != "named":
        return None if choice is None else choice.mode
    return {"type": _FUNCTION, "name": choice.name}


def read_format(wire: WireFormat | None) -> ResponseFormat | None:
    if wire is None:
        return None
    return ResponseFormat(
        kind=wire.type, name=wire.name, schema=said(wire.schema), strict=wire.strict, description=wire.description
    )


def write_format(wanted: ResponseFormat | None) -> WireFormat | None:
    if wanted is None or wanted.kind != _SCHEMA:
        return None if wanted is None else WireFormat(type=wanted.kind)
    return WireFormat(
        type=wanted.kind,
        # The API insists on a name; dialects without one mean no more than "the answer".
        name=wanted.name or _UNNAMED_SCHEMA,
        schema=wanted.schema or ABSENT,
        strict=wanted.strict,
        description=wanted.description,
    )
