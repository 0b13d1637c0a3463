"""Writing a chat as a Converse request: what the dialect cannot say is refused by name, never dropped.

The model and the wish to stream are said by the path, not here. A system message in the middle moves to the top-level
``system``, after those before it. Turns of one role are joined; tool results come first in a user's turn.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw, ValidationError, json

from switchgear.kernel.chat import Chat, Message, ResponseFormat, Text, Tool, ToolCall, ToolChoice, ToolResult
from switchgear.wire import bedrock_converse_fields
from switchgear.wire.bedrock_converse_blocks import Placed, write_cache, write_content
from switchgear.wire.bedrock_converse_media import Block, refused
from switchgear.wire.bedrock_converse_request import RESPONSE_PATHS, STOP_SEQUENCE_PATH
from switchgear.wire.json_body import kept, object_text

OWN_FIELDS: Final = frozenset(
    (
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "performanceConfig",
        "projectIdentifier",
        "promptVariables",
    )
)
"""Top-level fields of Converse's own that the canonical form only carries."""
_EMPTY_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')
_TIERS: Final = ("default", "flex", "priority", "reserved")
_TURNS: Final = {"user": "user", "tool": "user", "assistant": "assistant"}
_NO_EQUAL: Final = "it has no equal in Bedrock's dialect"


def write_request(chat: Chat) -> bytes:
    """The body of ``POST /model/{model}/converse`` and of ``/converse-stream``."""
    _refuse_unsayable(chat)
    carried = dict(kept(chat, OWN_FIELDS, "Bedrock"))
    fields, effort = bedrock_converse_fields.write_fields(chat, carried.pop(bedrock_converse_fields.FIELD, None))
    asks_paths = RESPONSE_PATHS in carried
    return object_text(
        (
            ("messages", list(_turns(chat.messages))),
            ("system", _system(chat.messages)),
            ("inferenceConfig", _inference(chat)),
            ("toolConfig", _tool_config(chat)),
            ("additionalModelRequestFields", fields),
            (RESPONSE_PATHS, [STOP_SEQUENCE_PATH] if chat.stop and not asks_paths else None),
            ("outputConfig", _output_config(chat, effort)),
            ("requestMetadata", _metadata(chat.metadata)),
            ("serviceTier", _tier(chat.service_tier)),
            *carried.items(),
        )
    )


def _refuse_unsayable(chat: Chat) -> None:
    """Refuse what has no equal; a default that means nothing passes."""
    unsayable = {
        "n": chat.choices not in (None, 1),
        "logprobs": bool(chat.logprobs),
        "top_logprobs": bool(chat.top_logprobs),
        "logit_bias": chat.logit_bias is not None and bytes(chat.logit_bias).strip() not in (b"{}", b"null"),
        "frequency_penalty": bool(chat.frequency_penalty),
        "presence_penalty": bool(chat.presence_penalty),
        "seed": chat.seed is not None,
        "modalities": bool(chat.modalities) and chat.modalities != ("text",),
        "audio": chat.audio_output is not None,
        "parallel_tool_calls": chat.parallel_tool_calls is False and bool(chat.tools),
        "user": chat.user is not None,
    }
    for field, is_said in unsayable.items():
        if is_said:
            raise refused(field, _NO_EQUAL)
    if chat.temperature is not None and chat.temperature > 1:
        raise refused("temperature", "models on Bedrock take at most 1")


def _system(messages: tuple[Message, ...]) -> list[Block] | None:
    parts: list[Placed] = []
    for at, message in enumerate(messages):
        if message.role in ("system", "developer"):
            _check_message(message, at)
            parts += ((part, f"messages[{at}]") for part in message.parts)
    return write_content(parts) if any(isinstance(part, Text) and part.text for part, _ in parts) else None


def _turns(messages: tuple[Message, ...]) -> Iterator[Block]:
    role = ""
    parts: list[Placed] = []
    for at, message in enumerate(messages):
        turn = _TURNS.get(message.role)
        if turn is None:
            continue
        _check_message(message, at)
        if turn != role and role:
            yield _turn(role, parts)
            parts = []
        role = turn
        parts += ((part, f"messages[{at}]") for part in message.parts)
    if role:
        yield _turn(role, parts)


def _turn(role: str, parts: list[Placed]) -> Block:
    ordered = sorted(parts, key=lambda placed: not isinstance(placed[0], ToolResult))
    return {"role": role, "content": write_content(ordered)}


def _check_message(message: Message, at: int) -> None:
    if message.name is not None and message.role != "tool":
        raise refused(f"messages[{at}].name", "Bedrock's messages carry no name")
    if message.role in ("system", "developer") and not all(isinstance(part, Text) for part in message.parts):
        raise refused(f"messages[{at}].content", "Bedrock's system prompt is text only")


def _inference(chat: Chat) -> Block | None:
    config = {
        "maxTokens": chat.max_output_tokens,
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "stopSequences": chat.stop or None,
    }
    return {name: value for name, value in config.items() if value is not None} or None


def _tool_config(chat: Chat) -> Block | None:
    """None when there are no tools, or none may be used: but a conversation in which some were needs their specs."""
    choice = chat.tool_choice
    if choice is not None and choice.mode == "none":
        if any(isinstance(part, ToolCall) for message in chat.messages for part in message.parts):
            raise refused("tool_choice", "after a tool was used, Bedrock's models cannot be kept from using tools")
        return None
    if not chat.tools:
        if choice is not None and choice.mode != "auto":
            raise refused("tool_choice", "there are no tools to choose from")
        return None
    config: Block = {"tools": [block for tool in chat.tools for block in _tool(tool)]}
    return config if choice is None else config | {"toolChoice": _tool_choice(choice)}


def _tool(tool: Tool) -> Iterator[Block]:
    spec: Block = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": tool.parameters if tool.parameters is not None else _EMPTY_SCHEMA}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    yield {"toolSpec": spec}
    if tool.cache is not None:
        yield write_cache(tool.cache)


def _tool_choice(choice: ToolChoice) -> Block:
    if choice.mode == "named":
        return {"tool": {"name": choice.name}}
    return {"any" if choice.mode == "required" else "auto": {}}


def _output_config(chat: Chat, effort: str | None) -> Block | None:
    config: Block = {}
    if chat.response_format is not None and (text_format := _text_format(chat.response_format)) is not None:
        config["textFormat"] = text_format
    if effort is not None:
        config["effort"] = effort
    return config or None


def _text_format(wanted: ResponseFormat) -> Block | None:
    if wanted.kind == "text":
        return None
    if wanted.schema is None:
        raise refused("response_format", "Bedrock answers in JSON only by a schema: use json_schema")
    schema = {"schema": bytes(wanted.schema).decode(), "name": wanted.name, "description": wanted.description}
    said = {name: value for name, value in schema.items() if value is not None}
    return {"type": "json_schema", "structure": {"jsonSchema": said}}


def _metadata(metadata: Raw | None) -> Raw | None:
    if metadata is None:
        return None
    try:
        found = json.decode(metadata, type=dict[str, str])
    except ValidationError:
        raise refused("metadata", "Bedrock's metadata are texts under names") from None
    return metadata if found else None


def _tier(tier: str | None) -> Block | None:
    """``auto`` leaves the choice to the account, which is what saying nothing does."""
    if tier in (None, "auto"):
        return None
    if tier not in _TIERS:
        raise refused("service_tier", f"{tier!r} is not one of {', '.join(_TIERS)}")
    return {"type": tier}
