"""OpenInference, which Phoenix and Arize speak: attributes flattened by dots. Prompt counts hold cached tokens."""

from switchgear.traces.conventions.convention import Accounting, Convention, Family
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.values import members, text


def _complete(reading: Reading) -> None:
    if "invocation" not in reading.fields:
        return
    asked = members(reading.raw("invocation"))
    reading.say("request_model", text(asked.get("model") or asked.get("model_name")), better=False)


CONVENTION = Convention(
    name="openinference",
    order=60,
    names={
        "openinference.span.kind": "kind",
        "llm.request.model_name": "request_model",
        "llm.response.model_name": "model",
        "llm.model_name": "model",
        "embedding.model_name": "model",
        "reranker.model_name": "model",
        "llm.provider": "provider",
        "llm.system": "provider",
        "llm.invocation_parameters": "invocation",
        "embedding.invocation_parameters": "invocation",
        "llm.finish_reason": "finish",
        "llm.prompt_template.version": "prompt_version",
        "prompt.id": "prompt_name",
        "llm.token_count.prompt": "tokens.input",
        "llm.token_count.completion": "tokens.output",
        "llm.token_count.total": "tokens.total",
        "llm.token_count.prompt_details.cache_read": "tokens.cache_read",
        "llm.token_count.prompt_details.cache_write": "tokens.cache_write",
        "llm.token_count.prompt_details.audio": "tokens.audio_input",
        "llm.token_count.completion_details.reasoning": "tokens.reasoning",
        "llm.token_count.completion_details.audio": "tokens.audio_output",
        "llm.cost.total": "usd.total",
        "llm.cost.prompt": "usd.input",
        "llm.cost.completion": "usd.output",
        "tool.name": "tool_name",
        "tool_call.id": "tool_call_id",
        "reranker.query": "input",
        "tag.tags": "tags",
    },
    shared={
        "input.value": "twin.input",
        "output.value": "twin.output",
        "metadata": "metadata_object",
    },
    families={
        "llm.input_messages.": Family("input"),
        "llm.output_messages.": Family("output"),
        "retrieval.documents.": Family("output"),
        "reranker.output_documents.": Family("output"),
    },
    accounting=Accounting(input_holds_parts=True, output_holds_parts=True),
    first_token_events=frozenset(("First Token Stream Event",)),
    complete=_complete,
)
