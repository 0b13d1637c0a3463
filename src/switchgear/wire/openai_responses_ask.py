"""Writing a chat as a request of OpenAI's Responses API: what the API cannot say is refused by name, never dropped.

Nothing is kept at the provider unless the client said so: elsewhere nothing is by default, here everything would be.
Breakpoints of the prompt cache go along on input; on tools, calls and answers they have no place, and none is needed
for the answer to be the same.
"""

from typing import Final

from msgspec import Raw

from switchgear.kernel.chat import Chat, Message, Reasoning, Text
from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.json_body import object_text
from switchgear.wire.openai_chat_request import write_effort
from switchgear.wire.openai_responses_items import write_items
from switchgear.wire.openai_responses_parts import Block
from switchgear.wire.openai_responses_request import ENCRYPTED, LOGPROBS
from switchgear.wire.openai_responses_tools import write_choice, write_format, write_tool

OWN_FIELDS: Final = frozenset(
    (
        "access_programs",
        "image",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
    )
)
"""Top-level fields of this API that the canonical form only carries; chat completions share most of them."""
_VERBOSITY: Final = "verbosity"


def write_request(chat: Chat) -> bytes:
    """The body of ``POST /responses``. Raises UnsupportedField."""
    _refuse_unsayable(chat)
    extra = dict(chat.extra)
    instructions, messages = _split(chat.messages)
    return object_text(
        (
            ("model", chat.model),
            ("instructions", instructions),
            ("input", list(write_items(messages))),
            ("stream", chat.stream or None),
            ("max_output_tokens", chat.max_output_tokens),
            ("temperature", chat.temperature),
            ("top_p", chat.top_p),
            ("top_logprobs", chat.top_logprobs),
            ("include", _included(chat)),
            ("tools", [write_tool(tool) for tool in chat.tools] or None),
            ("tool_choice", write_choice(chat.tool_choice)),
            ("parallel_tool_calls", chat.parallel_tool_calls),
            ("text", _text(chat, extra.pop(_VERBOSITY, None))),
            ("reasoning", _reasoning(chat.reasoning)),
            ("user", chat.user),
            ("metadata", chat.metadata),
            ("service_tier", chat.service_tier),
            ("store", extra.pop("store", False)),
            *extra.items(),
        )
    )


def write_count_request(chat: Chat) -> bytes:
    """The body of ``POST /responses/input_tokens``: only what is counted."""
    instructions, messages = _split(chat.messages)
    return object_text(
        (
            ("model", chat.model),
            ("instructions", instructions),
            ("input", list(write_items(messages))),
            ("tools", [write_tool(tool) for tool in chat.tools] or None),
            ("tool_choice", write_choice(chat.tool_choice)),
            ("text", _text(chat, None)),
            ("reasoning", _reasoning(chat.reasoning)),
        )
    )


def _refuse_unsayable(chat: Chat) -> None:
    """Refuse what has no equal; a default that means nothing passes."""
    unsayable = {
        "n": chat.choices not in (None, 1),
        "logit_bias": chat.logit_bias is not None and bytes(chat.logit_bias).strip() not in (b"{}", b"null"),
        "frequency_penalty": bool(chat.frequency_penalty),
        "presence_penalty": bool(chat.presence_penalty),
        "seed": chat.seed is not None,
        "stop": bool(chat.stop),
        "top_k": chat.top_k is not None,
        "modalities": bool(chat.modalities) and chat.modalities != ("text",),
        "audio": chat.audio_output is not None,
    }
    unknown = {name: True for name, _ in chat.extra if name not in OWN_FIELDS and name != _VERBOSITY}
    foreign = {name: True for name, _ in chat.own}
    for field, is_said in (unsayable | foreign | unknown).items():
        if is_said:
            raise UnsupportedField(f"{field}: it has no equal in the Responses API", param=field)


def _split(messages: tuple[Message, ...]) -> tuple[str | None, tuple[Message, ...]]:
    """A plain system message at the start becomes ``instructions``; any other stays where it is."""
    match messages:
        case (Message(role="system", parts=(Text(text=said, cache=None),), name=None), *rest):
            return said, tuple(rest)
        case _:
            return None, messages


def _included(chat: Chat) -> list[str] | None:
    """Thoughts come back only if they are sent along, as nothing is kept; models that do not think refuse to."""
    thinks = chat.reasoning is not None and chat.reasoning.enabled
    wanted = ([ENCRYPTED] if thinks else []) + ([LOGPROBS] if chat.logprobs else [])
    return wanted or None


def _text(chat: Chat, verbosity: Raw | None) -> Block | None:
    given: Block = {"format": write_format(chat.response_format), "verbosity": verbosity}
    return {name: value for name, value in given.items() if value is not None} or None


def _reasoning(wanted: Reasoning | None) -> Block | None:
    if wanted is None:
        return None
    effort = write_effort(wanted)
    block: Block = {} if effort is None else {"effort": effort}
    return block | {"summary": "auto"} if wanted.enabled else block
