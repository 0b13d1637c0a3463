"""What only some models on Bedrock understand: ``additionalModelRequestFields``, both ways.

Anthropic's models take ``thinking`` and ``top_k`` there as in their own API; Amazon's Nova takes ``reasoningConfig``
and ``inferenceConfig.topK`` (Bedrock's user guide, model-parameters-anthropic-claude-messages,
Nova's, using-converse-api). An effort by name is Converse's own
``outputConfig.effort``; for Anthropic's models, which would not think for it alone, it becomes a budget as in their
own dialect. A name that tells nothing of the model, such as an ARN, is taken for one with Anthropic's fields.
"""

from typing import Final, Literal

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Chat, Reasoning
from switchgear.kernel.errors import BadRequest
from switchgear.wire import anthropic_ask
from switchgear.wire.bedrock_converse_media import Block, refused
from switchgear.wire.json_body import ABSENT, decode, object_text, said, unknown_members

FIELD: Final = "additionalModelRequestFields"
_ANTHROPIC: Final = "anthropic."
_NOVA: Final = "amazon.nova"


class WireThinking(Struct, forbid_unknown_fields=True):
    """Anthropic's ``thinking``, which Bedrock also takes under the name ``reasoning_config``."""

    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized"] | None = None


class WireReasoning(Struct, rename="camel", forbid_unknown_fields=True):
    """Nova's ``reasoningConfig``."""

    type: Literal["enabled", "disabled"]
    max_reasoning_effort: str | None = None


class WireFields(Struct):
    thinking: WireThinking | None = None
    reasoning_config: WireThinking | None = None
    reasoningConfig: WireReasoning | None = None  # noqa: N815 (Nova's name beside Bedrock's for Anthropic's)
    top_k: int | None = None
    inferenceConfig: Raw = ABSENT  # noqa: N815


class NovaInference(Struct, rename="camel", forbid_unknown_fields=True):
    top_k: int


class ModelFields(Struct, frozen=True, kw_only=True):
    """What the fields say in canonical form; ``rest`` is a JSON object of all others, if there are any."""

    reasoning: Reasoning | None = None
    top_k: int | None = None
    rest: Raw | None = None


def read_fields(fields: Raw | None, effort: str | None) -> ModelFields:
    """Raises BadRequest or UnsupportedField; ``effort`` is ``outputConfig.effort``."""
    if fields is None:
        return ModelFields(reasoning=None if effort is None else Reasoning(effort=effort))
    body = bytes(fields)
    try:
        wire = decode(WireFields, body)
    except BadRequest as error:
        param = f"{FIELD}.{error.param}" if error.param else FIELD
        raise type(error)(f"{FIELD}: {error.message}", param=param) from None
    rest = dict(unknown_members(WireFields, body))
    inference = said(wire.inferenceConfig)
    top_k = wire.top_k
    if inference is not None:
        top_k = decode(NovaInference, bytes(inference)).top_k
    return ModelFields(
        reasoning=_read_reasoning(wire, effort),
        top_k=top_k,
        rest=Raw(json.encode(rest)) if rest else None,
    )


def _read_reasoning(wire: WireFields, effort: str | None) -> Reasoning | None:
    thinking = wire.thinking or wire.reasoning_config
    if thinking is not None:
        if thinking.type == "enabled" and thinking.budget_tokens is None:
            place = f"{FIELD}.thinking.budget_tokens"
            raise BadRequest(f"{place} is required", param=place)
        return Reasoning(
            enabled=thinking.type != "disabled",
            effort=effort,
            budget_tokens=thinking.budget_tokens,
            adaptive=thinking.type == "adaptive",
        )
    if wire.reasoningConfig is not None:
        return Reasoning(
            enabled=wire.reasoningConfig.type == "enabled",
            effort=wire.reasoningConfig.max_reasoning_effort or effort,
        )
    return None if effort is None else Reasoning(effort=effort)


def write_fields(chat: Chat, rest: Raw | None) -> tuple[Raw | None, str | None]:
    """``additionalModelRequestFields`` and ``outputConfig.effort``; ``rest`` are fields of the client's own."""
    reasoning, effort = _write_reasoning(chat)
    members: list[tuple[str, object]] = [*reasoning.items()]
    if chat.top_k is not None:
        members.append(("inferenceConfig", {"topK": chat.top_k}) if _NOVA in chat.model else ("top_k", chat.top_k))
    members += [] if rest is None else json.decode(rest, type=dict[str, Raw]).items()
    return (Raw(object_text(members)) if members else None), effort


def _write_reasoning(chat: Chat) -> tuple[Block, str | None]:
    wanted = chat.reasoning
    if wanted is None:
        return {}, None
    if _NOVA in chat.model:
        return _write_nova(wanted), None
    by_effort = wanted.enabled and not wanted.adaptive and wanted.budget_tokens is None and wanted.effort is not None
    if by_effort and _ANTHROPIC not in chat.model:
        return {}, wanted.effort
    thinking, _ = anthropic_ask.write_thinking(chat)
    return {"thinking": thinking}, None if by_effort else wanted.effort


def _write_nova(wanted: Reasoning) -> Block:
    if wanted.budget_tokens is not None:
        raise refused("thinking.budget_tokens", "Nova's models are told an effort, not a budget")
    config = {"type": "enabled" if wanted.enabled else "disabled"}
    if wanted.effort is not None:
        config["maxReasoningEffort"] = wanted.effort
    return {"reasoningConfig": config}
