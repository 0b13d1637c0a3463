"""OpenLLMetry, which Traceloop sends: GenAI's names, older ones beside them, and its own for workflows.

Its instrumentations add cached tokens to the input and reasoning to the output.
"""

from switchgear.traces.conventions.convention import Accounting, Convention, Family, Named

CONVENTION = Convention(
    name="traceloop",
    order=70,
    names={
        "traceloop.span.kind": "kind",
        "llm.request.type": "kind",
        "traceloop.workflow.name": "trace_name",
        "traceloop.entity.input": "input",
        "traceloop.entity.output": "output",
        "traceloop.prompt.key": "prompt_name",
        "traceloop.prompt.version_name": "prompt_label",
        "traceloop.prompt.version": "prompt_version",
        "traceloop.association.properties.user_id": "user",
        "traceloop.association.properties.session_id": "session",
        "traceloop.association.properties.thread_id": "session",
        "llm.usage.total_tokens": "tokens.total",
        "llm.usage.prompt_tokens": "tokens.input",
        "llm.usage.completion_tokens": "tokens.output",
        "llm.usage.reasoning_tokens": "tokens.reasoning",
        "llm.usage.cache_read_input_tokens": "tokens.cache_read",
        "llm.usage.cache_creation_input_tokens": "tokens.cache_write",
        "llm.response.finish_reason": "finish",
        "llm.response.stop_reason": "finish",
        "llm.user": "user",
        "llm.is_streaming": "streamed",
        "gen_ai.is_streaming": "streamed",
        "gen_ai.openai.api_base": "api_base",
        "db.system": Named("provider", {"chroma": "chroma", "pinecone": "pinecone", "qdrant": "qdrant"}),
    },
    families={
        "gen_ai.prompt.": Family("input"),
        "gen_ai.completion.": Family("output"),
        "traceloop.association.properties.": Family("metadata", "metadata"),
    },
    accounting=Accounting(input_holds_parts=True, output_holds_parts=True),
    first_token_events=frozenset(("llm.content.completion.chunk",)),
)
