"""Writing a chat as an Anthropic request: what the dialect cannot say is refused by name, never dropped.

A system message in the middle moves to the top-level ``system``, after those before it: the dialect has one place for
all of them. Turns of one role are joined; tool results come first in a user's turn, as the API demands.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw

from switchgear.kernel.chat import Chat, Message, Part, Reasoning, ResponseFormat, Text, Tool, ToolResult
from switchgear.wire.anthropic_blocks import Block, refused, write_cache, write_contents
from switchgear.wire.json_body import as_object, object_text

EFFORT_BUDGET_TOKENS: Final = {
    "minimal": 1024,
    "low": 1024,
    "medium": 4096,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
"""How many tokens of thinking an effort by name may cost."""
MIN_BUDGET_TOKENS: Final = 1024
"""Anthropic accepts no smaller budget."""
OWN_FIELDS: Final = frozenset(
    ("cache_control", "container", "context_management", "diagnostics", "inference_geo", "mcp_servers", "speed")
)
"""Top-level fields of Anthropic's that the canonical form only carries."""
_EMPTY_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_TURNS: Final = {"user": "user", "tool": "user", "assistant": "assistant"}
_USER_ID: Final = "user_id"


def write_request(chat: Chat, default_max_tokens: int) -> bytes:
    """The body of ``POST /v1/messages``.

    Anthropic demands ``max_tokens``: where the chat sets none it is ``default_max_tokens``, plus the thinking budget.
    """
    _refuse_unsayable(chat)
    thinking, budget = write_thinking(chat)
    limit = chat.max_output_tokens if chat.max_output_tokens is not None else default_max_tokens + budget
    return object_text(
        (
            ("model", chat.model),
            ("max_tokens", limit),
            *_prompt(chat),
            ("stream", chat.stream or None),
            ("temperature", chat.temperature),
            ("top_p", chat.top_p),
            ("top_k", chat.top_k),
            ("stop_sequences", chat.stop or None),
            ("thinking", thinking),
            ("output_config", _output_config(chat)),
            ("metadata", _metadata(chat)),
            ("service_tier", _tier(chat.service_tier)),
            *chat.own,
        )
    )


def write_count_request(chat: Chat) -> bytes:
    """The body of ``POST /v1/messages/count_tokens``: only what is counted."""
    _refuse_unsayable(chat)
    thinking, _ = write_thinking(chat)
    return object_text((("model", chat.model), *_prompt(chat), ("thinking", thinking)))


def _prompt(chat: Chat) -> Iterator[tuple[str, object]]:
    yield "system", _system(chat.messages)
    yield "messages", list(_turns(chat.messages))
    yield "tools", [_tool(tool) for tool in chat.tools] or None
    yield "tool_choice", _tool_choice(chat)


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
    }
    for field, is_said in unsayable.items():
        if is_said:
            raise refused(field, "it has no equal in Anthropic's dialect")
    for name, _ in chat.own:
        if name not in OWN_FIELDS:
            raise refused(name, "it has no equal in Anthropic's dialect")
    for name, _ in chat.extra:
        raise refused(name, "it has no equal in Anthropic's dialect")
    if chat.temperature is not None and chat.temperature > 1:
        raise refused("temperature", "Anthropic's models take at most 1")


def _system(messages: tuple[Message, ...]) -> str | list[Block] | None:
    parts: list[tuple[Part, str]] = []
    for at, message in enumerate(messages):
        if message.role in ("system", "developer"):
            _check_message(message, at)
            place = f"messages[{at}]"
            parts += [(part, place) for part in message.parts]
    return write_contents(parts) or None


def _turns(messages: tuple[Message, ...]) -> Iterator[Block]:
    role = ""
    parts: list[tuple[Part, str]] = []
    for at, message in enumerate(messages):
        turn = _TURNS.get(message.role)
        if turn is None:
            continue
        _check_message(message, at)
        if turn != role and parts:
            yield _turn(role, parts)
            parts = []
        role = turn
        place = f"messages[{at}]"
        parts += [(part, place) for part in message.parts] or [(Text(text=""), place)]
    if parts:
        yield _turn(role, parts)


def _turn(role: str, parts: list[tuple[Part, str]]) -> Block:
    if len(parts) > 1:
        parts = sorted(parts, key=lambda placed: not isinstance(placed[0], ToolResult))
    return {"role": role, "content": write_contents(parts)}


def _check_message(message: Message, at: int) -> None:
    if message.name is not None and message.role != "tool":
        raise refused(f"messages[{at}].name", "Anthropic's messages carry no name")
    if message.role in ("system", "developer") and not all(isinstance(part, Text) for part in message.parts):
        raise refused(f"messages[{at}].content", "Anthropic's system prompt is text only")


def _tool(tool: Tool) -> Block:
    block: Block = {"name": tool.name}
    if tool.description is not None:
        block["description"] = tool.description
    block["input_schema"] = tool.parameters if tool.parameters is not None else _EMPTY_SCHEMA
    if tool.strict is not None:
        block["strict"] = tool.strict
    return block | write_cache(tool.cache)


def _tool_choice(chat: Chat) -> Block | None:
    choice = chat.tool_choice
    if choice is None:
        # Several calls at once are Anthropic's default too: only the wish for one at a time must be said.
        wants_one = chat.parallel_tool_calls is False and bool(chat.tools)
        return {"type": "auto", "disable_parallel_tool_use": True} if wants_one else None
    if choice.mode == "none":
        return {"type": "none"}
    block: Block = {"type": {"required": "any", "named": "tool"}.get(choice.mode, choice.mode)}
    if choice.mode == "named":
        block["name"] = choice.name
    if chat.parallel_tool_calls is not None:
        block["disable_parallel_tool_use"] = not chat.parallel_tool_calls
    return block


def write_thinking(chat: Chat) -> tuple[Block | None, int]:
    """The ``thinking`` member, and the budget it holds."""
    wanted = chat.reasoning
    if wanted is None:
        return None, 0
    if not wanted.enabled:
        return {"type": "disabled"}, 0
    if wanted.adaptive:
        return {"type": "adaptive"}, 0
    budget = wanted.budget_tokens
    if budget is None:
        if wanted.effort is None:
            return {"type": "adaptive"}, 0
        budget = _budget(wanted.effort, chat.max_output_tokens)
    return {"type": "enabled", "budget_tokens": budget}, budget


def _budget(effort: str, max_tokens: int | None) -> int:
    """The budget for an effort by name, at most half of what the caller allows in all."""
    budget = EFFORT_BUDGET_TOKENS.get(effort)
    if budget is None:
        raise refused("reasoning_effort", f"{effort!r} is not one of {', '.join(EFFORT_BUDGET_TOKENS)}")
    if max_tokens is None:
        return budget
    if max_tokens <= MIN_BUDGET_TOKENS:
        raise refused("reasoning_effort", f"Anthropic's models think only when max_tokens is above {MIN_BUDGET_TOKENS}")
    return min(budget, max(MIN_BUDGET_TOKENS, max_tokens // 2))


def _output_config(chat: Chat) -> Block | None:
    config: Block = {}
    if (effort := _own_effort(chat.reasoning)) is not None:
        config["effort"] = effort
    if chat.response_format is not None and (schema := _schema(chat.response_format)) is not None:
        config["format"] = {"type": "json_schema", "schema": schema}
    return config or None


def _own_effort(reasoning: Reasoning | None) -> str | None:
    """An effort that stands beside a budget or adaptive thinking; alone, it has become a budget."""
    if reasoning is None or (reasoning.enabled and not reasoning.adaptive and reasoning.budget_tokens is None):
        return None
    return reasoning.effort


def _schema(wanted: ResponseFormat) -> Raw | None:
    if wanted.kind == "text":
        return None
    if wanted.schema is None:
        raise refused("response_format", "Anthropic answers in JSON only by a schema: use json_schema")
    if wanted.description is not None:
        raise refused("response_format.json_schema.description", "put the description into the schema itself")
    return wanted.schema


def _metadata(chat: Chat) -> Block | None:
    user = chat.user
    if chat.metadata is not None and not bytes(chat.metadata).startswith(b"{"):
        raise refused("metadata", "Anthropic's metadata is an object")
    members = {} if chat.metadata is None else as_object(chat.metadata) or {}
    for name, value in members.items():
        if name != _USER_ID or not isinstance(value, str) or user not in (None, value):
            raise refused("metadata", "Anthropic's metadata holds nothing but user_id")
        user = value
    return None if user is None else {_USER_ID: user}


def _tier(tier: str | None) -> str | None:
    if tier is None:
        return None
    written = _TIERS.get(tier)
    if written is None:
        raise refused("service_tier", f"{tier!r} has no equal in Anthropic's dialect")
    return written
