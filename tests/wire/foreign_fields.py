"""Requests with one field more, for every dialect of chats: those it knows, those of its servers, those of nobody."""

from collections.abc import Mapping
from typing import Final

FUNCTION: Final = {"name": "f", "parameters": {"type": "object"}}
SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}

OPENAI_CHAT: Final[Mapping[str, object]] = {
    "audio": {"voice": "alloy", "format": "mp3"},
    "frequency_penalty": 0.5,
    "functions": [FUNCTION],
    "function_call": {"name": "f"},
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 77,
    "metadata": {"team": "x"},
    "modalities": ["text", "audio"],
    "n": 2,
    "parallel_tool_calls": True,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.5,
    "prompt_cache_key": "k",
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    "safety_identifier": "s",
    "seed": 7,
    "service_tier": "flex",
    "stop": ["END"],
    "store": True,
    "temperature": 0.25,
    "tool_choice": "required",
    "tools": [{"type": "function", "function": FUNCTION}],
    "top_k": 5,
    "top_logprobs": 3,
    "top_p": 0.5,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}
OPENAI_COMPLETIONS: Final[Mapping[str, object]] = {
    "best_of": 2,
    "echo": True,
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": 2,
    "n": 2,
    "presence_penalty": 0.5,
    "seed": 7,
    "stop": ["END"],
    "suffix": "x",
    "temperature": 0.25,
    "top_k": 5,
    "top_p": 0.5,
    "user": "u",
}
ANTHROPIC: Final[Mapping[str, object]] = {
    "cache_control": {"type": "ephemeral"},
    "container": "c_1",
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "diagnostics": {"trace": True},
    "inference_geo": "us",
    "mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}],
    "metadata": {"user_id": "u"},
    "output_config": {"effort": "low"},
    "output_format": {"type": "json_schema", "schema": SCHEMA},
    "service_tier": "auto",
    "speed": "fast",
    "stop_sequences": ["END"],
    "system": "Be brief.",
    "temperature": 0.25,
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "tool_choice": {"type": "any"},
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "top_k": 5,
    "top_p": 0.5,
}
OPENAI_RESPONSES: Final[Mapping[str, object]] = {
    "include": ["message.output_text.logprobs"],
    "instructions": "Be brief.",
    "max_output_tokens": 77,
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "safety_identifier": "s",
    "service_tier": "flex",
    "temperature": 0.25,
    "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
    "tool_choice": "required",
    "tools": [{"type": "function", **FUNCTION}],
    "top_logprobs": 3,
    "top_p": 0.5,
    "user": "u",
}
GEMINI: Final[Mapping[str, object]] = {
    "cachedContent": "cachedContents/1",
    "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    "labels": {"team": "x"},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "serviceTier": "flex",
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    "tools": [{"functionDeclarations": [FUNCTION]}],
}
BEDROCK: Final[Mapping[str, object]] = {
    "additionalModelRequestFields": {"min_p": 0.1},
    "additionalModelResponseFieldPaths": ["/x"],
    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
    "inferenceConfig": {"maxTokens": 77},
    "outputConfig": {"effort": "low"},
    "performanceConfig": {"latency": "optimized"},
    "promptVariables": {"name": {"text": "x"}},
    "requestMetadata": {"team": "x"},
    "serviceTier": {"type": "flex"},
    "system": [{"text": "Be brief."}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]},
}
COHERE: Final[Mapping[str, object]] = {
    "citation_options": {"mode": "FAST"},
    "documents": ["One."],
    "frequency_penalty": 0.5,
    "k": 5,
    "logprobs": True,
    "p": 0.5,
    "presence_penalty": 0.5,
    "priority": 7,
    "response_format": {"type": "json_object", "json_schema": SCHEMA},
    "safety_mode": "STRICT",
    "seed": 7,
    "stop_sequences": ["END"],
    "strict_tools": True,
    "temperature": 0.25,
    "thinking": {"type": "enabled", "token_budget": 2000},
    "tool_choice": "REQUIRED",
    "tools": [{"type": "function", "function": FUNCTION}],
}
NOBODYS: Final[Mapping[str, object]] = {
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "unheard_of": {"a": [1, None]},
    "messages": [{"role": "user", "content": "another"}],
    "prompt": "another",
    "stream_options": {"include_usage": False},
}
PLAIN: Final[Mapping[str, Mapping[str, object]]] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "openai_completions": {"model": "m", "prompt": "Hi"},
    "anthropic": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"model": "m", "input": "Hi"},
    "gemini": {"contents": [{"parts": [{"text": "Hi"}]}]},
    "bedrock_converse": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    "cohere_chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
}
FIELDS: Final[Mapping[str, object]] = {
    **NOBODYS,
    **COHERE,
    **BEDROCK,
    **GEMINI,
    **OPENAI_RESPONSES,
    **OPENAI_COMPLETIONS,
    **OPENAI_CHAT,
    **ANTHROPIC,
}
OWN: Final[Mapping[str, Mapping[str, object]]] = {
    "openai_chat": OPENAI_CHAT,
    "openai_completions": OPENAI_COMPLETIONS,
    "anthropic": ANTHROPIC,
    "openai_responses": OPENAI_RESPONSES,
    "gemini": GEMINI,
    "bedrock_converse": BEDROCK,
    "cohere_chat": COHERE,
}


def requests(dialect: str) -> dict[str, Mapping[str, object]]:
    """A request of ``dialect`` for each field it has no value for yet; a known field has a value of its own kind."""
    plain = PLAIN[dialect]
    values = {**FIELDS, **OWN[dialect]}
    return {name: {**plain, name: value} for name, value in values.items() if name not in plain}
