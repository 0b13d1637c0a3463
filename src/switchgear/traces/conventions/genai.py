"""OpenTelemetry's GenAI conventions in all their spellings: up to 1.36, 1.37 to 1.41, and the standalone 0.1.0.

Input holds cached tokens and output holds reasoning, in every version.
"""

from collections.abc import Mapping
from typing import Any, Final

from switchgear.traces.conventions.convention import Accounting, Convention, Named
from switchgear.traces.conventions.parts import result_part
from switchgear.traces.conventions.reading import Reading, events_named
from switchgear.traces.conventions.values import is_object, members, opened, text
from switchgear.traces.conventions.words import KINDS

_MESSAGES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"
_TOOL: Final = "execute_tool"
_MCP_TOOL: Final = "tools/call"
_DETAILS: Final = frozenset(("gen_ai.client.inference.operation.details",))
_PROMPTS: Final = frozenset(("gen_ai.content.prompt", "gen_ai.content.completion"))
_EVENTS: Final = frozenset((*_MESSAGES, _CHOICE))


def _complete(reading: Reading) -> None:
    if text(reading.attribute("mcp.method.name")) == _MCP_TOOL:
        # Where a span of the protocol names its tool in its own name alone.
        reading.say("tool_name", reading.told.name.rpartition(f"{_MCP_TOOL} ")[2], better=False)
    if not reading.told.events:
        return
    for event in events_named(reading.told, _DETAILS):
        for attribute, value in event.attributes.items():
            named = NAMES.get(attribute)
            if named is not None:
                reading.say(named.field if isinstance(named, Named) else named, value, better=False)
    for event in events_named(reading.told, _PROMPTS):
        side = "prompt" if event.name.endswith("prompt") else "completion"
        reading.say("input" if side == "prompt" else "output", event.attributes.get(f"gen_ai.{side}"), better=False)
    said = events_named(reading.told, _EVENTS)
    asked = [spoken(event.name, event.attributes) for event in said if event.name != _CHOICE]
    answered = [spoken(event.name, event.attributes) for event in said if event.name == _CHOICE]
    if text(reading.attribute("gen_ai.operation.name")) == _TOOL:
        _tell_tool(reading, asked, answered)
        return
    reading.say("input", asked or None, better=False)
    reading.say("output", answered or None, better=False)
    for message in answered:
        reading.say("finish", text(message.get("finish_reason")), better=False)


def _tell_tool(reading: Reading, asked: list[dict[str, Any]], answered: list[dict[str, Any]]) -> None:
    """A tool's own message is what it was called with."""
    for message in asked:
        reading.say("tool_input", message.get("content"), better=False)
    for message in answered:
        reading.say("tool_output", result_part({"content": opened(message.get("content"))})["result"], better=False)


def spoken(event: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A message told by an event, with its role; Azure's clients tell all of it in one attribute."""
    told: Mapping[str, Any] = {**attributes, **members(attributes.get("gen_ai.event.content"))}
    inner = told.get("message")
    message: dict[str, Any] = {**told, **inner} if is_object(inner) else dict(told)
    if isinstance(inner, str) and "content" not in message:
        message["content"] = inner
    message.setdefault("role", _MESSAGES.get(event, "assistant"))
    if message["role"] == "tool":
        message.setdefault("tool_call_id", message.get("id", ""))
    return message


NAMES: Final[Mapping[str, str | Named]] = {
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.system": "provider",
    "gen_ai.request.model": "request_model",
    "gen_ai.response.model": "model",
    "gen_ai.response.finish_reasons": "finish",
    "gen_ai.response.finish_reason": "finish",
    "gen_ai.response.stop_reason": "finish",
    "gen_ai.response.time_to_first_chunk": "first_token_s",
    "gen_ai.server.time_to_first_token": "first_token_s",
    "gen_ai.conversation.id": "session",
    "gen_ai.user": "user",
    "gen_ai.prompt.name": "prompt_name",
    "gen_ai.prompt.version": "prompt_version",
    "gen_ai.tool.name": "tool_name",
    "gen_ai.tool.call.id": "tool_call_id",
    "gen_ai.tool.call.arguments": "tool_input",
    "gen_ai.tool.call.result": "tool_output",
    "gen_ai.input.messages": "input",
    "gen_ai.output.messages": "output",
    "gen_ai.system_instructions": "system_text",
    "gen_ai.retrieval.query.text": "input",
    "gen_ai.retrieval.documents": "output",
    "gen_ai.memory.query.text": "input",
    "gen_ai.memory.records": "output",
    "gen_ai.prompt": "input",
    "gen_ai.completion": "output",
    "gen_ai.usage.input_tokens": "tokens.input",
    "gen_ai.usage.prompt_tokens": "tokens.input",
    "gen_ai.usage.output_tokens": "tokens.output",
    "gen_ai.usage.completion_tokens": "tokens.output",
    "gen_ai.usage.total_tokens": "tokens.total",
    "gen_ai.usage.cache_read.input_tokens": "tokens.cache_read",
    "gen_ai.usage.cache_read_input_tokens": "tokens.cache_read",
    "gen_ai.usage.details.cache_read_tokens": "tokens.cache_read",
    "gen_ai.usage.details.cache_read_input_tokens": "tokens.cache_read",
    "gen_ai.usage.details.cached_tokens": "tokens.cache_read",
    "gen_ai.usage.cache_write.input_tokens": "tokens.cache_write",
    "gen_ai.usage.cache_creation.input_tokens": "tokens.cache_write",
    "gen_ai.usage.cache_creation_input_tokens": "tokens.cache_write",
    "gen_ai.usage.details.cache_write_tokens": "tokens.cache_write",
    "gen_ai.usage.details.cache_creation_input_tokens": "tokens.cache_write",
    "gen_ai.usage.reasoning.output_tokens": "tokens.reasoning",
    "gen_ai.usage.reasoning_tokens": "tokens.reasoning",
    "gen_ai.usage.details.reasoning_tokens": "tokens.reasoning",
    "gen_ai.usage.audio.input_tokens": "tokens.audio_input",
    "gen_ai.usage.audio.output_tokens": "tokens.audio_output",
    "gen_ai.usage.audio.cache_read.input_tokens": "tokens.cache_read_audio",
    "gen_ai.usage.image.input_tokens": "tokens.image_input",
    "gen_ai.usage.cost": "usd.total",
    "mcp.method.name": Named("operation", {method: method for method in KINDS if "/" in method}),
    "mcp.session.id": "session",
}

CONVENTION = Convention(
    name="genai",
    order=80,
    names=NAMES,
    shared={
        "session.id": "session",
        "user.id": "user",
        "enduser.id": "user",
        "error.type": "error_type",
        "service.name": "service",
        "service.version": "release",
        "deployment.environment.name": "environment",
        "deployment.environment": "environment",
    },
    accounting=Accounting(input_holds_parts=True, output_holds_parts=True),
    first_token_events=frozenset(("gen_ai.content.completion.chunk",)),
    complete=_complete,
)
