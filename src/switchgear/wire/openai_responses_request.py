"""Reading a request of OpenAI's Responses API (platform.openai.com/docs/api-reference/responses/create).

Only a call that is translated is read, so what only the provider itself can do is refused here by name: hosted tools,
prompts and conversations that it keeps, work in the background. What the gateway does in its place (keeping the
response with its metadata) and hints that change no answer (``prompt_cache_key`` and its like) are for no upstream:
they are repeated in the answer, and that is all.
"""

from typing import Final

from msgspec import Raw, Struct

from switchgear.kernel.chat import Chat, Message, Text
from switchgear.kernel.errors import BadRequest, PreviousNotFound, UnsupportedField
from switchgear.wire.json_body import ABSENT, Extra, decode, members, said, text, unknown_members
from switchgear.wire.openai_chat_request import read_effort
from switchgear.wire.openai_responses_items import read_input
from switchgear.wire.openai_responses_tools import WireFormat, read_choice, read_format, read_tools

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"
REPEATED: Final = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
"""What a response repeats of its request."""
_INCLUDABLE: Final = frozenset(
    (
        ENCRYPTED,  # signatures always come along
        LOGPROBS,
        # Of hosted tools and of listed input: without those there is nothing to include.
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    )
)
_USUAL_VERBOSITY: Final = "medium"


class WireStreamOptions(Struct, forbid_unknown_fields=True):
    include_obfuscation: bool | None = None
    """Padding against eavesdroppers on one connection; it does not travel."""


class WireText(Struct, forbid_unknown_fields=True):
    format: WireFormat | None = None
    verbosity: str | None = None


class WireReasoning(Struct, forbid_unknown_fields=True):
    effort: str | None = None
    summary: str | None = None
    """Asks for thoughts that can be read, which is what another dialect gives as well."""
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class WireRequest(Struct):
    model: str
    input: Raw = ABSENT
    instructions: str | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = ABSENT
    parallel_tool_calls: bool | None = None
    text: WireText | None = None
    reasoning: WireReasoning | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    truncation: str | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: Raw = ABSENT
    previous_response_id: str | None = None
    background: bool | None = None
    conversation: Raw = ABSENT
    prompt: Raw = ABSENT
    context_management: Raw = ABSENT
    moderation: Raw = ABSENT
    stream: bool | None = None
    stream_options: WireStreamOptions | None = None


def read_request(body: bytes) -> Chat:
    """Raises BadRequest or UnsupportedField, naming the field, and PreviousNotFound for a response to continue.

    Whoever keeps responses must put them into ``input`` before the request is read.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None
    wire = decode(WireRequest, body)
    _refuse_hosted(wire)
    included = frozenset(wire.include or ())
    choice, tools = read_choice(wire.tool_choice, read_tools(wire.tools))
    user, extra = _identity(wire)
    return Chat(
        model=wire.model,
        messages=(*_instructions(wire), *_input(wire)),
        stream=wire.stream is True,
        include_usage=wire.stream is True,
        max_output_tokens=wire.max_output_tokens,
        temperature=wire.temperature,
        top_p=wire.top_p,
        logprobs=True if LOGPROBS in included else None,
        top_logprobs=wire.top_logprobs,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=wire.parallel_tool_calls,
        response_format=None if wire.text is None else read_format(wire.text.format),
        reasoning=None if wire.reasoning is None else read_effort(wire.reasoning.effort),
        user=user,
        service_tier=wire.service_tier,
        extra=(*extra, *_verbosity(wire.text), *unknown_members(WireRequest, body)),
        echo=_repeated(body),
    )


def _refuse_hosted(wire: WireRequest) -> None:
    """What only the provider can do; a default that means nothing passes."""
    if wire.previous_response_id is not None:
        said_id = wire.previous_response_id[:100]
        raise PreviousNotFound(
            f"Previous response with id {said_id!r} not found: this gateway does not keep it for your key, "
            "and the model's provider keeps none.",
            param="previous_response_id",
        )
    reasoning = wire.reasoning or WireReasoning()
    hosted = {
        "background": wire.background is True,
        "conversation": said(wire.conversation) is not None,
        "prompt": said(wire.prompt) is not None,
        "context_management": said(wire.context_management) is not None,
        "moderation": said(wire.moderation) is not None,
        "truncation": wire.truncation not in (None, "disabled"),
        "reasoning.context": reasoning.context not in (None, "auto"),
        "reasoning.mode": reasoning.mode not in (None, "standard"),
    }
    for field, is_said in hosted.items():
        if is_said:
            raise UnsupportedField(f"{field}: only a provider of the Responses API itself can do this", param=field)
    for at, name in enumerate(wire.include or ()):
        if name not in _INCLUDABLE:
            raise UnsupportedField(
                f"include[{at}]: {name[:100]!r} has no equal in another dialect", param=f"include[{at}]"
            )


def _instructions(wire: WireRequest) -> tuple[Message, ...]:
    if wire.instructions is None:
        return ()
    return (Message(role="system", parts=(Text(text=wire.instructions),)),)


def _input(wire: WireRequest) -> tuple[Message, ...]:
    given = said(wire.input)
    if given is None:
        raise BadRequest("input is required", param="input")
    return read_input(given)


def _identity(wire: WireRequest) -> tuple[str | None, Extra]:
    """Who the end user is: ``user`` by its older name; a second, other name is carried as it is."""
    other = wire.safety_identifier
    if other is None or wire.user in (None, other):
        return wire.user or other, ()
    return wire.user, (("safety_identifier", Raw(text(other))),)


def _verbosity(wire: WireText | None) -> Extra:
    """Under the name that chat completions have for it."""
    if wire is None or wire.verbosity in (None, _USUAL_VERBOSITY):
        return ()
    return (("verbosity", Raw(text(wire.verbosity))),)


def _repeated(body: bytes) -> Extra:
    found = members(body)
    return tuple((name, value) for name in REPEATED if name in found and (value := said(found[name])) is not None)
