"""LangSmith: the attributes of its OpenTelemetry mode, and runs, which its door tells in the same names.

A run is told as ``langsmith.span.kind`` (its ``run_type``), ``langsmith.trace.name``, ``langsmith.trace.session_name``,
``langsmith.span.tags``, ``langsmith.metadata.*`` (of ``extra.metadata``), and its ``inputs``, ``outputs``, ``extra``,
``events`` and ``error`` as ``langsmith.run.inputs`` and so on. Input holds cached tokens, output holds reasoning.
"""

from collections.abc import Mapping
from typing import Any

from switchgear.traces.conventions.convention import Accounting, Convention, Family
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.values import decoded, is_list, items, members, text
from switchgear.traces.conventions.words import KINDS, OPERATIONS_OF_KINDS

_USAGES = ("usage_metadata", "token_usage", "usage")


def _complete(reading: Reading) -> None:
    outputs = members(reading.attribute("langsmith.run.outputs") or reading.attribute("gen_ai.completion"))
    extra = members(reading.attribute("langsmith.run.extra"))
    about = members(extra.get("metadata"))
    for key, value in about.items():
        reading.metadata.setdefault(key, value)
    for field, name in (
        ("provider", "ls_provider"),
        ("request_model", "ls_model_name"),
        ("user", "user_id"),
        ("session", "session_id"),
        ("session", "thread_id"),
    ):
        reading.say(field, about.get(name), better=False)
    asked = members(extra.get("invocation_params"))
    reading.say("request_model", text(asked.get("model") or asked.get("model_name")), better=False)
    reading.say("tool_call_id", text(extra.get("tool_call_id")), better=False)
    kind = KINDS.get(reading.word("kind").lower(), "span")
    # Its exporter names operations by a table of its own, in which a retriever is an embedding.
    reading.say("operation", OPERATIONS_OF_KINDS.get(kind, kind))
    if kind in {"llm", "embedding"}:
        _answered(reading, outputs, about)
    _events(reading)
    for side in ("input", "output"):
        for detail in (reading.attribute(f"gen_ai.usage.{side}_token_details"),):
            _details(reading, side, detail)


def _answered(reading: Reading, outputs: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    told = [about.get("usage_metadata"), *(outputs.get(name) for name in _USAGES)]
    told += [members(outputs.get("llm_output")).get("token_usage")]
    for generation in _generations(outputs):
        message = members(generation.get("message"))
        message = members(message.get("kwargs")) or message
        told.append(message.get("usage_metadata"))
        reading.say("finish", text(members(generation.get("generation_info")).get("finish_reason")), better=False)
    for usage in told:
        if members(usage):
            reading.say("tokens", usage)
            break
    reading.say("model", text(outputs.get("model")), better=False)


def _generations(outputs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = items(outputs.get("generations"))
    listed = items(listed[0]) if listed and is_list(listed[0]) else listed
    return [members(item) for item in listed]


def _events(reading: Reading) -> None:
    for event in items(reading.attribute("langsmith.run.events")):
        if members(event).get("name") == "new_token":
            reading.say("first_token_at", members(event).get("time"), better=False)
            return


def _details(reading: Reading, side: str, told: object) -> None:
    # Its exporter writes these objects as Python does, with single quotes.
    found = members(decoded(told.replace("'", '"')) if isinstance(told, str) else told)
    for name, value in found.items():
        field = {"audio": f"audio_{side}", "cache_creation": "cache_write"}.get(name, name)
        if field in {"cache_read", "cache_write", "reasoning", f"audio_{side}"}:
            reading.say(f"tokens.{field}", value, better=False)


CONVENTION = Convention(
    name="langsmith",
    order=30,
    names={
        "langsmith.span.kind": "kind",
        "langsmith.span.tags": "tags",
        "langsmith.trace.name": "run_name",
        "langsmith.trace.session_name": "project",
        "langsmith.trace.session_id": "project_id",
        "langsmith.metadata.ls_provider": "provider",
        "langsmith.metadata.ls_model_name": "request_model",
        "langsmith.metadata.usage_metadata": "tokens",
        "langsmith.metadata.user_id": "user",
        "langsmith.metadata.session_id": "session",
        "langsmith.metadata.thread_id": "session",
        "langsmith.metadata.conversation_id": "session",
        "langsmith.run.inputs": "input",
        "langsmith.run.outputs": "output",
        "langsmith.run.extra": "run_extra",
        "langsmith.run.events": "run_events",
        "langsmith.run.error": "status_message",
    },
    scopes=frozenset(("langsmith",)),
    families={"langsmith.metadata.": Family("metadata", "metadata")},
    accounting=Accounting(input_holds_parts=True, output_holds_parts=True),
    has_one_model=True,
    complete=_complete,
)
