"""What details and messages of spans mostly consist of, so that small ones need not say it again.

A frame that was packed with these bytes before it can only be read with the same: they never change. Better ones would
be a second book, with a mark of its own.
"""

from typing import Final

from msgspec import msgpack

_NAMES: Final = """
gen_ai.operation.name gen_ai.provider.name gen_ai.system gen_ai.agent.name gen_ai.agent.call.id gen_ai.conversation.id
gen_ai.request.model gen_ai.request.max_tokens gen_ai.request.temperature gen_ai.request.top_p gen_ai.response.model
gen_ai.response.id gen_ai.response.finish_reasons gen_ai.response.time_to_first_chunk gen_ai.usage.input_tokens
gen_ai.usage.output_tokens gen_ai.usage.total_tokens gen_ai.usage.cache_read.input_tokens gen_ai.usage.prompt_tokens
gen_ai.usage.completion_tokens gen_ai.usage.reasoning_tokens gen_ai.is_streaming gen_ai.openai.api_base
gen_ai.openai.response.system_fingerprint gen_ai.tool.name gen_ai.tool.call.id gen_ai.tool.definitions
gen_ai.system_instructions gen_ai.prompt.name gen_ai.prompt.version openinference.span.kind llm.invocation_parameters
llm.model_name llm.system llm.provider llm.finish_reason llm.request.type llm.usage.total_tokens
llm.token_count.prompt llm.token_count.completion llm.token_count.total llm.token_count.prompt_details.cache_read
llm.token_count.prompt_details.audio llm.token_count.completion_details.reasoning
llm.token_count.completion_details.audio input.mime_type output.mime_type application/json input.value output.value
embedding.model_name embedding.invocation_parameters traceloop.workflow.name traceloop.entity.name traceloop.span.kind
traceloop.association.properties.user_id langfuse.environment langfuse.release langfuse.trace.name langfuse.trace.tags
langfuse.observation.type langfuse.observation.level langfuse.observation.model.name
langfuse.observation.model.parameters langfuse.observation.usage_details langfuse.observation.cost_details
langfuse.internal.is_app_root langsmith.span.kind langsmith.span.tags langsmith.trace.name
langsmith.trace.session_name langsmith.metadata.ls_method langsmith.metadata.ls_provider
langsmith.metadata.ls_model_name ai.operationId ai.model.id ai.model.provider ai.response.finishReason
ai.telemetry.functionId ai.usage.inputTokens ai.usage.outputTokens logfire.msg logfire.json_schema service.name
server.address server.port session.id user.id error.type telemetry.sdk.language telemetry.sdk.name
telemetry.sdk.version opentelemetry python
"""
_MESSAGES: Final = (
    '{"role":"tool","parts":[{"type":"tool_call_response","id":"call_","response":"',
    '{"role":"assistant","parts":[{"type":"tool_call","id":"call_","name":"","arguments":{"query":"',
    '{"role":"system","parts":[{"type":"text","content":"You are a helpful assistant. ',
    '{"role":"assistant","parts":[{"type":"text","content":""}],"finish_reason":"stop"}',
    '{"role":"user","parts":[{"type":"text","content":"',
)
_CALL: Final[tuple[object, ...]] = (
    12, 0, (20, 0, 0, 0, 10, 0, 0, 0, 0, 0), (), (), False, False, {},
    {
        "gen_ai.request.stream": True, "switchgear.cost_reason": "unpriced", "switchgear.findings": [],
        "switchgear.organisation": "", "switchgear.team": "", "switchgear.owner": "", "switchgear.why": "fallback",
        "switchgear.cause": "", "error.type": "rate_limit_exceeded", "http.response.status_code": 200,
        "switchgear.door": "openai", "switchgear.operation": "chat", "switchgear.outcome": "ok",
        "switchgear.attempts": 1, "switchgear.cost_state": "settled", "switchgear.config": "", "switchgear.gateway": "",
        "switchgear.first_byte_ns": 1_000_000, "switchgear.request_bytes": 1_000, "switchgear.response_bytes": 1_000,
        "switchgear.authenticate_ns": 20_000, "switchgear.limit_ns": 20_000, "switchgear.attempt.began_ns": 100_000,
        "switchgear.attempt.duration_ns": 1_000_000, "switchgear.attempt.dropped": [], "switchgear.service": "default",
        "switchgear.upstream_request_id": "req_",
    },
    (), None,
)  # fmt: skip
"""The shape of ``packing.Details``, of a call of the gateway: what is nearest to the end is cheapest to refer to."""
FIRST_BOOK: Final = b"".join(
    (*map(msgpack.encode, _NAMES.split()), *(message.encode() for message in _MESSAGES), msgpack.encode(_CALL))
)
