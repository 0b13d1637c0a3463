"""Writing a chat as a Gemini request: what the dialect cannot say is refused by name, never dropped.

A cache breakpoint needs no word: Gemini caches prompts by itself. Schemas go out as JSON Schema, which Gemini takes.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw

from switchgear.kernel.chat import Chat, Reasoning, ResponseFormat, Tool
from switchgear.wire.gemini_contents import write_contents, write_instruction
from switchgear.wire.gemini_media import PCM16
from switchgear.wire.gemini_names import resource
from switchgear.wire.gemini_parts import Block, refused
from switchgear.wire.gemini_request import CONFIG
from switchgear.wire.json_body import object_text

OWN_FIELDS: Final = frozenset(("cachedContent", "labels", "safetySettings", "store"))
"""Top-level fields of Google's own that the canonical form only carries."""
EFFORT_BUDGET_TOKENS: Final = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
"""What an effort by name may cost at models before levels, as Google's own OpenAI endpoint has it."""
_LEVELS: Final = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_BEFORE_LEVELS: Final = ("gemini-1", "gemini-2")
_TIERS: Final = {
    "auto": None,
    "default": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
}
_NO_EQUAL: Final = "it has no equal in Gemini's dialect"


def write_request(chat: Chat) -> bytes:
    """The body of ``:generateContent`` and ``:streamGenerateContent``."""
    return object_text(_fields(chat))


def write_count_request(chat: Chat) -> bytes:
    """The body of ``:countTokens``: the whole request that is counted, without the limits of its answer."""
    _refuse_unsayable(chat)
    inner = object_text((("model", resource(chat.model)), *_prompt(chat)))
    return object_text((("generateContentRequest", Raw(inner)),))


def _fields(chat: Chat) -> Iterator[tuple[str, object]]:
    _refuse_unsayable(chat)
    yield from _prompt(chat)
    yield CONFIG, dict(_config(chat)) or None
    yield "serviceTier", _tier(chat.service_tier)
    for name, value in (*chat.own, *chat.extra):
        if name in OWN_FIELDS:
            yield name, value


def _prompt(chat: Chat) -> Iterator[tuple[str, object]]:
    yield "contents", write_contents(chat.messages)
    yield "systemInstruction", write_instruction(chat.messages)
    functions = [_function(tool) for tool in chat.tools]
    yield "tools", [{"functionDeclarations": functions}] if functions else None
    yield "toolConfig", _tool_config(chat)


def _refuse_unsayable(chat: Chat) -> None:
    """Refuse what has no equal; a default that means nothing passes."""
    unsayable = {
        "logit_bias": chat.logit_bias is not None and bytes(chat.logit_bias).strip() not in (b"{}", b"null"),
        "user": chat.user is not None,
        "metadata": chat.metadata is not None,
        "parallel_tool_calls": chat.parallel_tool_calls is False and bool(chat.tools),
    }
    for field, is_said in unsayable.items():
        if is_said:
            raise refused(field, _NO_EQUAL)
    for name, _ in (*chat.own, *chat.extra):
        if name not in OWN_FIELDS and not name.startswith(f"{CONFIG}."):
            raise refused(name, _NO_EQUAL)
    if not set(chat.modalities) <= {"text", "audio"}:
        raise refused("modalities", "only text and audio come back through this dialect")
    if chat.audio_output is not None and chat.audio_output.format != PCM16:
        raise refused("audio.format", f"Gemini's models speak in {PCM16} only")


def _config(chat: Chat) -> Iterator[tuple[str, object]]:
    """``generationConfig``, only what is said."""
    said = {
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": chat.top_k,
        "candidateCount": chat.choices,
        "maxOutputTokens": chat.max_output_tokens,
        "stopSequences": chat.stop or None,
        "seed": chat.seed,
        "presencePenalty": chat.presence_penalty,
        "frequencyPenalty": chat.frequency_penalty,
        "responseLogprobs": chat.logprobs,
        "logprobs": chat.top_logprobs,
        "responseModalities": [modality.upper() for modality in chat.modalities] or None,
        "thinkingConfig": _thoughts(chat.reasoning, chat.model),
        "speechConfig": None if chat.audio_output is None else _speech(chat.audio_output.voice),
    }
    yield from ((name, value) for name, value in said.items() if value is not None)
    if chat.response_format is not None:
        yield from _format(chat.response_format)
    prefix = f"{CONFIG}."
    carried = (*chat.own, *chat.extra)
    yield from ((name.removeprefix(prefix), value) for name, value in carried if name.startswith(prefix))


def _function(tool: Tool) -> Block:
    function: Block = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parametersJsonSchema"] = tool.parameters
    return function


def _tool_config(chat: Chat) -> Block | None:
    choice = chat.tool_choice
    calling: Block
    if choice is not None and choice.mode in ("required", "named"):
        calling = {"mode": "ANY"}
        if choice.mode == "named":
            calling["allowedFunctionNames"] = [choice.name]
    elif choice is not None and choice.mode == "none":
        calling = {"mode": "NONE"}
    elif any(tool.strict for tool in chat.tools):
        # Gemini holds calls to their schemas when it must call, and in this mode; one strict function makes all so.
        calling = {"mode": "VALIDATED"}
    elif choice is not None:
        calling = {"mode": "AUTO"}
    else:
        return None
    return {"functionCallingConfig": calling}


def _format(wanted: ResponseFormat) -> Iterator[tuple[str, object]]:
    if wanted.description is not None:
        raise refused("response_format.json_schema.description", "put the description into the schema itself")
    yield "responseMimeType", "text/plain" if wanted.kind == "text" else "application/json"
    if wanted.schema is not None:
        yield "responseJsonSchema", wanted.schema


def _thoughts(wanted: Reasoning | None, model: str) -> Block | None:
    """Thoughts are shown to whoever asks for thinking: that is what the other dialects do."""
    if wanted is None:
        return None
    if not wanted.enabled:
        return {"thinkingBudget": 0}
    config: Block = {"includeThoughts": True}
    if wanted.budget_tokens is not None:
        config["thinkingBudget"] = wanted.budget_tokens
    elif wanted.effort is not None:
        config |= _effort(wanted.effort, model)
    elif wanted.adaptive:
        config["thinkingBudget"] = -1
    return config


def _effort(effort: str, model: str) -> Block:
    if effort not in _LEVELS:
        raise refused("reasoning_effort", f"{effort!r} is not one of {', '.join(_LEVELS)}")
    if model.removeprefix("models/").startswith(_BEFORE_LEVELS):
        return {"thinkingBudget": EFFORT_BUDGET_TOKENS[effort]}
    return {"thinkingLevel": _LEVELS[effort]}


def _speech(voice: str) -> Block:
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}


def _tier(tier: str | None) -> str | None:
    if tier is None:
        return None
    if tier not in _TIERS:
        raise refused("service_tier", f"{tier!r} has no equal in Gemini's dialect")
    return _TIERS[tier]
