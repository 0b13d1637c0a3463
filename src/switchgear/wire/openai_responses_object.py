"""The response object of OpenAI's Responses API as a client sees it: what was answered, and what was asked.

Members that repeat the request hold what the client said, or the API's default.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Chat, Usage
from switchgear.wire.openai_responses_parts import Block
from switchgear.wire.openai_responses_usage import write_usage

_ID_PREFIX: Final = "resp_"
_DEFAULTS: Final[Mapping[str, object]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "store": True,
    "temperature": None,
    "tool_choice": "auto",
    "tools": (),
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
_REASONING: Final[Mapping[str, object]] = {"effort": None, "summary": None}
_TEXT: Final[Mapping[str, object]] = {"format": {"type": "text"}}
_USUAL_TIER: Final = "default"


class Identity(Struct, frozen=True, kw_only=True):
    """What is known of a response from its first moment."""

    id: str
    model: str
    created_seconds: int
    service_tier: str | None = None

    def item_id(self, prefix: str, index: int) -> str:
        """The id of the item at ``index``: the same whenever it is asked for, and unlike those of other responses."""
        return f"{prefix}_{self.id.removeprefix(_ID_PREFIX)}_{index}"


class Ending(Struct, frozen=True, kw_only=True):
    """How a response ended."""

    status: str
    incomplete_reason: str | None = None
    usage: Usage | None = None


def response_object(
    identity: Identity, asked: Chat | None, output: Sequence[Block], ending: Ending | None = None
) -> Block:
    """The object; without an ending it is in progress."""
    said: dict[str, object] = dict(asked.echo) if asked is not None else {}
    ended = ending or Ending(status="in_progress")
    reason = ended.incomplete_reason
    repeated = {name: said.get(name, default) for name, default in _DEFAULTS.items()}
    return {
        "id": identity.id,
        "object": "response",
        "created_at": identity.created_seconds,
        "status": ended.status,
        "background": False,
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "model": identity.model,
        "output": output,
        "reasoning": _filled(_REASONING, said.get("reasoning")),
        "service_tier": identity.service_tier or _USUAL_TIER,
        "text": _filled(_TEXT, said.get("text")),
        "usage": None if ended.usage is None else write_usage(ended.usage),
        **repeated,
    }


def _filled(defaults: Mapping[str, object], said: object) -> Block:
    given = json.decode(said, type=dict[str, Raw]) if isinstance(said, Raw) else {}
    return {**defaults, **given}
