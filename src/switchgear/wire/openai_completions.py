"""OpenAI's legacy text completions, ``/v1/completions``: one prompt is one user message.

Several prompts and prompts of token ids pass through between ends that both speak this dialect; they have no
canonical form.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct

from switchgear.kernel.chat import (
    Chat,
    Choice,
    ChoiceStop,
    Completion,
    Delta,
    Done,
    Event,
    Failure,
    Logprobs,
    Message,
    Part,
    Ping,
    Start,
    Text,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Relay, StreamOptions, Tally
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.estimate import estimated_usage
from switchgear.wire.json_body import ABSENT, decode, decode_answer, object_text, said, text, unknown_members
from switchgear.wire.openai_chat import OpenAIShared
from switchgear.wire.openai_chat_request import WireStreamOptions, carried_fields, read_stop, sampling_fields
from switchgear.wire.openai_chat_stream import ChatEventReader
from switchgear.wire.openai_chat_writer import DONE_FRAME, ChunkFrame
from switchgear.wire.openai_completions_logprobs import write_logprobs
from switchgear.wire.openai_errors import write_failure
from switchgear.wire.openai_relay import ChatRelay
from switchgear.wire.openai_usage import (
    WireUsage,
    glance,
    read_finish,
    read_stop_sequence,
    read_usage,
    refuse_error,
    write_finish,
    write_usage,
)

_OBJECT: Final = "text_completion"
_OWN_FIELDS: Final = frozenset(("best_of", "echo", "suffix"))
"""What only a text completion can be asked for."""


class WireRequest(Struct):
    model: str
    prompt: str | list[str | int | list[int]]
    stream: bool | None = None
    stream_options: WireStreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    logit_bias: Raw = ABSENT
    logprobs: int | None = None
    user: str | None = None


class WireChoice(Struct):
    text: str = ""
    index: int | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT
    stop_reason: str | int | None = None
    matched_stop: str | int | None = None


class WireReply(Struct):
    choices: list[WireChoice] = []
    object: str | None = None
    id: str | None = None
    created: float | None = None
    model: str | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: Raw = ABSENT


class OpenAICompletions(OpenAIShared):
    """Legacy completions."""

    name: str = "openai_completions"

    def read_request(self, body: bytes) -> Chat:
        wire = decode(WireRequest, body)
        others = unknown_members(WireRequest, body)
        return Chat(
            model=wire.model,
            messages=(Message(role="user", parts=(Text(text=_one_prompt(wire.prompt)),)),),
            stream=wire.stream is True,
            include_usage=wire.stream_options is not None and wire.stream_options.include_usage is True,
            max_output_tokens=wire.max_tokens,
            temperature=wire.temperature,
            top_p=wire.top_p,
            top_k=wire.top_k,
            frequency_penalty=wire.frequency_penalty,
            presence_penalty=wire.presence_penalty,
            seed=wire.seed,
            stop=read_stop(wire.stop),
            choices=wire.n,
            logit_bias=said(wire.logit_bias),
            logprobs=None if wire.logprobs is None else True,
            top_logprobs=wire.logprobs,
            user=wire.user,
            own=tuple((name, value) for name, value in others if name in _OWN_FIELDS and said(value) is not None),
            extra=tuple((name, value) for name, value in others if name not in _OWN_FIELDS),
        )

    def write_request(self, chat: Chat) -> bytes:
        _refuse_chat_fields(chat)
        return object_text(
            (
                ("model", chat.model),
                ("prompt", _prompt_of(chat.messages)),
                ("stream", chat.stream or None),
                ("stream_options", {"include_usage": True} if chat.include_usage else None),
                ("max_tokens", chat.max_output_tokens),
                *sampling_fields(chat),
                ("logprobs", (chat.top_logprobs or 0) if chat.logprobs else None),
                *carried_fields(chat, WireRequest, _OWN_FIELDS),
            )
        )

    def read_reply(self, body: bytes) -> Completion:
        wire = decode_answer(WireReply, body)
        refuse_error(wire.error, wire.object, body)
        return Completion(
            id=wire.id or "",
            model=wire.model or "",
            created_seconds=int(wire.created or 0),
            choices=tuple(_read_choice(choice, position) for position, choice in enumerate(wire.choices)),
            usage=None if wire.usage is None else read_usage(wire.usage),
            service_tier=wire.service_tier,
            system_fingerprint=wire.system_fingerprint,
            extra=unknown_members(WireReply, body),
        )

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return object_text(
            (
                ("id", completion.id),
                ("object", _OBJECT),
                ("created", completion.created_seconds),
                ("model", completion.model),
                ("choices", [_write_choice(choice) for choice in completion.choices]),
                ("usage", None if completion.usage is None else write_usage(completion.usage)),
                ("service_tier", completion.service_tier),
                ("system_fingerprint", completion.system_fingerprint),
                *completion.extra,
            )
        )

    def glance(self, body: bytes) -> Tally:
        return glance(body, self._content_bytes)

    def _content_bytes(self, body: bytes) -> int:
        return sum(len(_text_of(choice.parts).encode()) for choice in self.read_reply(body).choices)

    def relay(self, options: StreamOptions) -> Relay:
        return ChatRelay(options, _OBJECT)

    def events(self) -> EventReader:
        return ChatEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return CompletionEventWriter(options)


class CompletionEventWriter:
    """Writes the text of canonical events; thinking, tool calls and audio have no place in a text completion."""

    __slots__ = ("_content_bytes", "_content_frames", "_frame", "_offsets", "_options", "_usage")

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._frame = ChunkFrame(Start(id="", model=""), _OBJECT, include_usage=options.include_usage)
        self._usage: Usage | None = None
        self._content_frames = 0
        self._content_bytes = 0
        self._offsets: dict[int, int] = {}
        """By choice, how many characters log probabilities have been told of."""

    def write(self, event: Event) -> bytes:
        match event:
            case Delta(kind="text" | "refusal"):
                self._content_frames += 1
                self._content_bytes += len(event.text)
                return self._choice(event.choice, piece=event.text)
            case Logprobs():
                told, self._offsets[event.choice] = write_logprobs(event.value, self._offsets.get(event.choice, 0))
                return self._choice(event.choice, logprobs=told)
            case ChoiceStop():
                return self._choice(event.choice, finish=b'"%b"' % write_finish(event.finish).encode())
            case Start():
                self._usage = event.usage
                self._frame = ChunkFrame(event, _OBJECT, include_usage=self._options.include_usage)
                return b""
            case UsageReport():
                self._usage = event.usage
                return b""
            case _:
                return self._aside(event)

    def _choice(self, index: int, piece: str = "", logprobs: bytes = b"null", finish: bytes = b"null") -> bytes:
        body = b'{"text":%b,"index":%d,"logprobs":%b,"finish_reason":%b}'
        return self._frame.choice(body % (text(piece), index, logprobs, finish))

    def _aside(self, event: Event) -> bytes:
        match event:
            case Failure():
                return write_failure(event.error)
            case Ping():
                return OpenAIShared.keepalive
            case Done() if self._options.include_usage:
                estimate = estimated_usage(
                    self._options.input_tokens_estimate, self._content_frames, self._content_bytes
                )
                return self._frame.usage(self._usage or estimate) + DONE_FRAME
            case Done():
                return DONE_FRAME
            case _:
                return b""


def _one_prompt(prompt: str | list[str | int | list[int]]) -> str:
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return prompt[0]
    message = "several prompts, or prompts of token ids, only pass to an upstream that speaks the same dialect"
    raise UnsupportedField(f"prompt: {message}", param="prompt")


def _prompt_of(messages: Sequence[Message]) -> str:
    match messages:
        case [Message(role="user", parts=[Text(text=prompt)])]:
            return prompt
        case _:
            raise UnsupportedField("messages: a text completion takes one user message of text", param="messages")


def _refuse_chat_fields(chat: Chat) -> None:
    """A text completion knows no tools, formats, voices or reasoning."""
    unsayable = {
        "tools": bool(chat.tools),
        "tool_choice": chat.tool_choice is not None,
        "parallel_tool_calls": bool(chat.parallel_tool_calls),
        "response_format": chat.response_format is not None,
        "reasoning_effort": chat.reasoning is not None,
        "modalities": bool(chat.modalities),
        "audio": chat.audio_output is not None,
        "metadata": chat.metadata is not None,
        "service_tier": chat.service_tier is not None,
        "top_logprobs": bool(chat.top_logprobs) and not chat.logprobs,
    }
    for name, is_said in unsayable.items():
        if is_said:
            raise UnsupportedField(f"{name}: a text completion has no such field", param=name)


def _read_choice(wire: WireChoice, position: int) -> Choice:
    stop_sequence = read_stop_sequence(wire.stop_reason, wire.matched_stop)
    finish = None if wire.finish_reason is None else read_finish(wire.finish_reason, stop_sequence)
    return Choice(
        index=position if wire.index is None else wire.index,
        parts=(Text(text=wire.text),),
        finish=finish,
        stop_sequence=stop_sequence if finish == "stop_sequence" else None,
        logprobs=said(wire.logprobs),
    )


def _text_of(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _write_choice(choice: Choice) -> dict[str, object]:
    written: dict[str, object] = {
        "text": _text_of(choice.parts),
        "index": choice.index,
        "logprobs": None if choice.logprobs is None else Raw(write_logprobs(choice.logprobs)[0]),
        "finish_reason": None if choice.finish is None else write_finish(choice.finish),
    }
    return written if choice.stop_sequence is None else written | {"stop_reason": choice.stop_sequence}


DIALECTS: Final = (OpenAICompletions,)

if TYPE_CHECKING:
    _: type[Dialect] = OpenAICompletions
