"""Vercel's AI SDK: a call is two spans, as ``ai.embed`` around ``ai.embed.doEmbed``; the inner one counts."""

from switchgear.traces.conventions.convention import Accounting, Convention, Family
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.values import is_list, is_object, items, members, text

_CALLS = frozenset(("doGenerate", "doStream", "doEmbed", "doRerank"))


def _complete(reading: Reading) -> None:
    attribute = reading.attribute
    operation = text(attribute("ai.operationId") or attribute("operation.name")).partition(" ")[0]
    last = operation.rpartition(".")[2]
    if operation == "ai.toolCall":
        reading.say("kind", "tool")
    elif last in _CALLS:
        kind = {"doEmbed": "embedding", "doRerank": "rerank"}.get(last, "llm")
        reading.say("kind", kind)
        reading.say("operation", {"embedding": "embeddings", "rerank": "rerank"}.get(kind, "chat"), better=False)
    elif operation:
        reading.say("kind", "chain")
        reading.counted = False
    asked = members(attribute("ai.prompt"))
    if prompt := asked.get("prompt"):
        messages = prompt if is_list(prompt) else [{"role": "user", "content": prompt}]
        reading.say("input", {"messages": messages, "system": asked.get("system")})
    reading.say("provider", text(attribute("ai.model.provider")).partition(".")[0], better=False)
    calls = items(attribute("ai.response.toolCalls"))
    said, thought = attribute("ai.response.text"), attribute("ai.response.reasoning")
    if said or calls or thought:
        parts = [{"type": "reasoning", "content": thought}] if thought else []
        parts += [{"type": "text", "text": said}] if said else []
        reading.say(
            "output",
            {
                "role": "assistant",
                "content": [*parts, *({"type": "tool-call", **call} for call in calls if is_object(call))],
            },
        )
        for name in ("ai.response.text", "ai.response.toolCalls", "ai.response.reasoning"):
            if name in reading.told.attributes:
                reading.content.setdefault(name, ("output", attribute(name)))


CONVENTION = Convention(
    name="vercel",
    order=50,
    names={
        "ai.operationId": "operation_id",
        "operation.name": "operation_id",
        "ai.model.id": "request_model",
        "ai.response.model": "model",
        "ai.response.finishReason": "finish",
        "ai.response.msToFirstChunk": "first_token_ms",
        "ai.stream.msToFirstChunk": "first_token_ms",
        "ai.prompt.messages": "input",
        "ai.prompt": "input",
        "ai.value": "input",
        "ai.values": "input",
        "ai.response.object": "output",
        "ai.response.text": "answer_text",
        "ai.response.reasoning": "answer_text",
        "ai.response.toolCalls": "answer_calls",
        "ai.toolCall.name": "tool_name",
        "ai.toolCall.id": "tool_call_id",
        "ai.toolCall.args": "tool_input",
        "ai.toolCall.input": "tool_input",
        "ai.toolCall.result": "tool_output",
        "ai.toolCall.output": "tool_output",
        "ai.usage.inputTokens": "tokens.input",
        "ai.usage.promptTokens": "tokens.input",
        "ai.usage.tokens": "tokens.input",
        "ai.usage.outputTokens": "tokens.output",
        "ai.usage.completionTokens": "tokens.output",
        "ai.usage.totalTokens": "tokens.total",
        "ai.usage.cachedInputTokens": "tokens.cache_read",
        "ai.usage.inputTokenDetails.cacheReadTokens": "tokens.cache_read",
        "ai.usage.inputTokenDetails.cacheWriteTokens": "tokens.cache_write",
        "ai.usage.reasoningTokens": "tokens.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens": "tokens.reasoning",
        "ai.telemetry.functionId": "trace_name",
        "ai.telemetry.metadata.userId": "user",
        "ai.telemetry.metadata.sessionId": "session",
        "ai.telemetry.metadata.tags": "tags",
    },
    scopes=frozenset(("ai",)),
    families={"ai.telemetry.metadata.": Family("metadata", "metadata")},
    accounting=Accounting(input_holds_parts=True, output_holds_parts=True),
    first_token_events=frozenset(("ai.stream.firstChunk",)),
    complete=_complete,
)
