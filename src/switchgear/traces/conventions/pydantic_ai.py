"""Pydantic AI and Logfire: GenAI's names, and on the agent's span the conversation and usage of its calls."""

from typing import Any, Final

from switchgear.traces.conventions.convention import Accounting, Convention, Named
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.values import is_object, items, members, number

_LEVELS: Final = ((17, "ERROR"), (13, "WARNING"), (9, "DEFAULT"))


def _complete(reading: Reading) -> None:
    severity = number(reading.attribute("logfire.level_num"))
    if severity is not None:
        reading.say("level", next((level for least, level in _LEVELS if severity >= least), "DEBUG"))
    for attribute in ("pydantic_ai.all_messages", "all_messages_events", "events"):
        told = items(reading.attribute(attribute))
        if not told or not all(is_object(message) for message in told):
            continue
        asked, answered = _split([_message(message) for message in told])
        reading.say("input", asked)
        reading.say("output", answered)
        reading.content.setdefault(attribute, ("input", reading.attribute(attribute)))
        reading.attributes.pop(attribute, None)
        return


def _message(told: dict[str, Any]) -> dict[str, Any]:
    event = told.get("event.name")
    inner = members(told.get("message"))
    message = {**told, **inner}
    if isinstance(event, str):
        message.setdefault("role", event.removeprefix("gen_ai.").partition(".")[0].replace("choice", "assistant"))
    return message


def _split(told: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was asked, and the model's last words."""
    end = len(told)
    while end and told[end - 1].get("role") == "assistant":
        end -= 1
    return told[:end], told[end:]


CONVENTION = Convention(
    name="pydantic_ai",
    order=40,
    names={
        "pydantic_ai.all_messages": "conversation",
        "pydantic_ai.new_message_index": "new_message",
        "all_messages_events": "conversation",
        "logfire.msg": "logfire_message",
        "logfire.msg_template": "logfire_message",
        "logfire.span_type": "logfire_type",
        "logfire.json_schema": "logfire_schema",
        "logfire.level_num": "logfire_level",
        "logfire.tags": "tags",
        "gen_ai.aggregated_usage.input_tokens": "tokens.input",
        "gen_ai.aggregated_usage.output_tokens": "tokens.output",
        "gen_ai.aggregated_usage.cache_read.input_tokens": "tokens.cache_read",
        "gen_ai.aggregated_usage.cache_write.input_tokens": "tokens.cache_write",
        "gen_ai.aggregated_usage.cache_creation.input_tokens": "tokens.cache_write",
        "gen_ai.aggregated_usage.details.reasoning_tokens": "tokens.reasoning",
        "operation.cost": "usd.total",
    },
    scoped={
        "agent_name": Named("agent_name"),
        "model_name": "request_model",
        "final_result": "twin.output",
        "tool_arguments": "tool_input",
        "tool_response": "tool_output",
        "events": "conversation",
    },
    scopes=frozenset(("pydantic-ai", "pydantic_ai")),
    accounting=Accounting(input_holds_parts=True, output_holds_parts=True),
    complete=_complete,
)
