"""Calls held against what models can do: those that cannot take one are passed over, and where none can, it is told.

Nothing of this runs for names whose deployments have nothing declared. A prompt's length is known only to the model's
own tokenizer: it is refused when not even eight bytes to a token would fit it into the window, and deployments that it
fits by the usual four are asked first. What the gateway itself cannot read is the upstream's to judge.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from msgspec import UNSET, Struct, structs

from switchgear.kernel.call import Call
from switchgear.kernel.capabilities import Capabilities
from switchgear.kernel.chat import Audio, Chat, File, Image, Part, Text, Thinking, ToolCall, ToolResult
from switchgear.kernel.errors import BadRequest, ContextTooLong, NotCapable
from switchgear.kernel.estimate import BYTES_PER_TOKEN
from switchgear.kernel.retrieval import Embed
from switchgear.routing.deployment import Deployment
from switchgear.routing.model import Alias

_SPARSEST: Final = 8
"""Bytes to a token, more than any prompt of some length has on average."""
_CHECKED: Final = frozenset(("chat", "completions", "embeddings"))
_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "anthropic": {"output": "max_tokens", "reasoning": "thinking", "structured_output": "output_config"},
    "gemini": {
        "output": "generationConfig.maxOutputTokens",
        "messages": "contents",
        "reasoning": "generationConfig.thinkingConfig",
        "structured_output": "generationConfig.responseSchema",
        "modalities": "generationConfig.responseModalities",
    },
    "gemini_embed_content": {"input": "content", "dimensions": "outputDimensionality"},
    "gemini_embed_contents": {"input": "requests", "dimensions": "requests[0].outputDimensionality"},
    "bedrock_converse": {
        "output": "inferenceConfig.maxTokens",
        "tools": "toolConfig.tools",
        "reasoning": "additionalModelRequestFields",
    },
    "openai_responses": {
        "output": "max_output_tokens",
        "messages": "input",
        "reasoning": "reasoning",
        "structured_output": "text.format",
    },
    "openai_completions": {"output": "max_tokens", "messages": "prompt"},
    "cohere_chat": {"output": "max_tokens", "reasoning": "thinking"},
    "cohere_embed": {"input": "texts", "dimensions": "output_dimension"},
}
"""What each dialect calls a field, where it is not as in OpenAI's."""
_OPENAI: Final[Mapping[str, str]] = {
    "output": "max_completion_tokens",
    "messages": "messages",
    "input": "input",
    "tools": "tools",
    "structured_output": "response_format",
    "reasoning": "reasoning_effort",
    "dimensions": "dimensions",
    "modalities": "modalities",
}


class Needs(Struct, frozen=True, kw_only=True):
    """What a call asks of its model."""

    prompt_bytes: int = 0
    """Of text; of several prompts (embeddings), the longest."""
    output_tokens: int | None = None
    reads: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()
    tools: bool = False
    structured_output: bool = False
    reasoning: bool = False
    dimensions: int | None = None


def able(alias: Alias, call: Call) -> Alias:
    """``alias`` with those deployments alone that can take the call.

    Raises NotCapable or ContextTooLong, naming the field, when none can.
    """
    if call.operation not in _CHECKED:
        return alias
    needs = needs_of(call)
    found: list[Deployment] = []
    refusals: list[BadRequest] = []
    for deployment in alias.deployments:
        refusal = None
        if deployment.capabilities is not None:
            refusal = next(refusals_of(call, deployment.model, deployment.capabilities, needs), None)
        if refusal is None:
            found.append(deployment)
        else:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    roomy = [each for each in found if _has_room(each.capabilities, needs)] or found
    if len(roomy) == len(alias.deployments):
        return alias
    tiers = (tuple(each for each in tier if each in roomy) for tier in alias.tiers)
    return structs.replace(alias, tiers=tuple(tier for tier in tiers if tier), checks=False)


def refusals_of(call: Call, model: str, known: Capabilities, needs: Needs) -> Iterator[BadRequest]:
    """Everything that a model of these capabilities cannot do of what is needed."""
    window = known.context_tokens
    if window is not None and needs.prompt_bytes // _SPARSEST > window:
        text = f"the prompt is longer than the {window} tokens that {model!r} takes"
        yield ContextTooLong(text, param=_field(call, "input" if call.dialect.family == "embeddings" else "messages"))
    cap = known.max_output_tokens
    if cap is not None and needs.output_tokens is not None and needs.output_tokens > cap:
        field = _field(call, "output")
        if field == _OPENAI["output"] and call.head.max_completion_tokens is None and call.head.max_tokens is not None:
            field = "max_tokens"
        yield NotCapable(f"{field!r} is {needs.output_tokens}, and {model!r} writes at most {cap} tokens", param=field)
    yield from _modalities(call, model, known, needs)
    yield from _switches(call, model, known, needs)
    if known.dimensions is not None and needs.dimensions is not None and needs.dimensions > known.dimensions:
        field = _field(call, "dimensions")
        text = f"{field!r} is {needs.dimensions}, and vectors of {model!r} have at most {known.dimensions}"
        yield NotCapable(text, param=field)


def _modalities(call: Call, model: str, known: Capabilities, needs: Needs) -> Iterator[BadRequest]:
    unread = sorted(needs.reads.difference(known.input)) if known.input else []
    if unread:
        text = f"{model!r} reads {_listed(known.input)}, and the request holds {_listed(unread)}"
        yield NotCapable(text, param=_field(call, "messages"))
    unmade = sorted(needs.makes.difference(known.output)) if known.output else []
    if unmade:
        text = f"{model!r} makes {_listed(known.output)}, and the request asks for {_listed(unmade)}"
        yield NotCapable(text, param=_field(call, "modalities"))


def _switches(call: Call, model: str, known: Capabilities, needs: Needs) -> Iterator[BadRequest]:
    for name, words in (
        ("tools", "calls no tools"),
        ("structured_output", "keeps to no JSON Schema"),
        ("reasoning", "cannot be told to think"),
    ):
        if getattr(needs, name) and getattr(known, name) is False:
            field = _field(call, name)
            yield NotCapable(f"{model!r} {words}; leave {field!r} out, or call another model", param=field)


def needs_of(call: Call) -> Needs:
    """What ``call`` asks of its model, as far as the gateway can read it."""
    head = call.head
    said = Needs(
        output_tokens=head.max_tokens if head.max_completion_tokens is None else head.max_completion_tokens,
        tools=head.tools is not UNSET and bytes(head.tools) not in (b"[]", b"null"),
    )
    try:
        asked = cast("object", call.chat())
    except BadRequest:
        return said
    if isinstance(asked, Embed):
        lengths = (len(each) * BYTES_PER_TOKEN if isinstance(each, tuple) else _size(each) for each in asked.inputs)
        return Needs(prompt_bytes=max(lengths, default=0), dimensions=asked.dimensions)
    return _of_chat(asked, said) if isinstance(asked, Chat) else Needs()


def _of_chat(chat: Chat, said: Needs) -> Needs:
    parts = [part for message in chat.messages for part in message.parts]
    inner = [each for part in parts if isinstance(part, ToolResult) for each in part.content]
    tools = sum(len(tool.parameters or b"") + len(tool.description or "") for tool in chat.tools)
    asked = chat.response_format
    return Needs(
        prompt_bytes=tools + sum(_text_bytes(part) for part in (*parts, *inner)),
        output_tokens=said.output_tokens if chat.max_output_tokens is None else chat.max_output_tokens,
        reads=frozenset(kind for part in (*parts, *inner) if (kind := _kind(part))),
        makes=frozenset(chat.modalities).difference(("text",)),
        tools=bool(chat.tools),
        structured_output=asked is not None and asked.kind == "json_schema",
        reasoning=chat.reasoning is not None and chat.reasoning.enabled and chat.reasoning.effort != "none",
    )


def _kind(part: Part) -> str:
    """The modality of a part beside text; empty for text, and for what an answer of the model's own may hold."""
    if isinstance(part, Image):
        return "image"
    if isinstance(part, Audio):
        return "" if part.id is not None else "audio"
    if isinstance(part, File):
        media = part.source.media_type or ""
        return media.partition("/")[0] if media.startswith(("audio/", "video/", "image/")) else "file"
    return ""


def _text_bytes(part: Part) -> int:
    if isinstance(part, Text | Thinking):
        return _size(part.text)
    return _size(part.arguments) if isinstance(part, ToolCall) else 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _has_room(known: Capabilities | None, needs: Needs) -> bool:
    window = None if known is None else known.context_tokens
    return window is None or needs.prompt_bytes // BYTES_PER_TOKEN <= window


def _field(call: Call, what: str) -> str:
    return _FIELDS.get(call.dialect.name, {}).get(what) or _OPENAI[what]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words)
