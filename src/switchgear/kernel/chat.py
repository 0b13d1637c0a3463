"""The canonical form of a chat: what every dialect can be read into and written from.

A request is a :class:`Chat`, a whole answer a :class:`Completion`, a streamed answer a sequence of :data:`Event`.
Token buckets are disjoint, so that money is a plain sum over them. JSON that the product only carries (schemas,
logprobs, unknown fields) stays as the bytes it came in (``msgspec.Raw``).
"""

from typing import Literal

from msgspec import Raw, Struct

from switchgear.kernel.errors import SwitchgearError

Role = Literal["system", "developer", "user", "assistant", "tool"]
CacheTtl = Literal["5m", "1h"]


class Media(Struct, frozen=True, kw_only=True):
    """Where bytes come from: exactly one of ``url``, ``data`` (base64) or ``file_id`` is set."""

    url: str | None = None
    data: str | None = None
    file_id: str | None = None
    media_type: str | None = None


class Text(Struct, frozen=True, kw_only=True, tag="text"):
    text: str
    cache: CacheTtl | None = None
    """A prompt-cache breakpoint after this part, with its time to live."""
    citations: Raw | None = None
    """Citations or annotations as the dialect of origin wrote them."""


class Image(Struct, frozen=True, kw_only=True, tag="image"):
    source: Media
    detail: Literal["auto", "low", "high"] | None = None
    cache: CacheTtl | None = None


class Audio(Struct, frozen=True, kw_only=True, tag="audio"):
    data: str = ""
    """Base64; empty when only ``id`` refers to audio the model made earlier."""
    format: str = ""
    id: str | None = None
    transcript: str | None = None
    expires_at_seconds: int | None = None


class File(Struct, frozen=True, kw_only=True, tag="file"):
    source: Media
    filename: str | None = None
    cache: CacheTtl | None = None


class Thinking(Struct, frozen=True, kw_only=True, tag="thinking"):
    text: str
    signature: str | None = None
    """Opaque; goes back to the model byte for byte."""


class RedactedThinking(Struct, frozen=True, kw_only=True, tag="redacted_thinking"):
    data: str


class Refusal(Struct, frozen=True, kw_only=True, tag="refusal"):
    text: str


class ToolCall(Struct, frozen=True, kw_only=True, tag="tool_call"):
    id: str
    name: str
    arguments: str
    """JSON text as the model wrote it; it may be broken."""
    cache: CacheTtl | None = None


class ToolResult(Struct, frozen=True, kw_only=True, tag="tool_result"):
    call_id: str
    content: tuple[Text | Image | File, ...]
    is_error: bool = False
    cache: CacheTtl | None = None


Part = Text | Image | Audio | File | Thinking | RedactedThinking | Refusal | ToolCall | ToolResult


class Message(Struct, frozen=True, kw_only=True):
    """One turn. Tool results stand in messages of role ``tool``, one or more to a message."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(Struct, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    parameters: Raw | None = None
    """A JSON Schema."""
    strict: bool | None = None
    cache: CacheTtl | None = None


class ToolChoice(Struct, frozen=True, kw_only=True):
    """``named`` forces the tool called ``name``; ``required`` forces any."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


class ResponseFormat(Struct, frozen=True, kw_only=True):
    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Raw | None = None
    strict: bool | None = None
    description: str | None = None


class Reasoning(Struct, frozen=True, kw_only=True):
    """How hard the model may think: an effort by name, or a budget in tokens."""

    enabled: bool = True
    effort: str | None = None
    budget_tokens: int | None = None
    adaptive: bool = False


class AudioOutput(Struct, frozen=True, kw_only=True):
    voice: str
    format: str


class Chat(Struct, frozen=True, kw_only=True):
    """A request for a chat completion. ``None`` means "not said", and is not written."""

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    choices: int | None = None
    logit_bias: Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    modalities: tuple[str, ...] = ()
    audio_output: AudioOutput | None = None
    user: str | None = None
    metadata: Raw | None = None
    service_tier: str | None = None
    own: tuple[tuple[str, Raw], ...] = ()
    """Fields without a place here that are for the dialect of origin alone: whoever does not know one refuses it."""
    extra: tuple[tuple[str, Raw], ...] = ()
    """Fields that the dialect of origin does not know either, but servers of OpenAI's may; in their order."""
    echo: tuple[tuple[str, Raw], ...] = ()
    """What answers in the dialect of origin repeat of the request, as it came; no upstream is told of it."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens in disjoint buckets: no token is counted in two of them."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    estimated: bool = False
    """True when the upstream reported nothing and the gateway counted for itself."""

    @property
    def total_input(self) -> int:
        """All that was read by the model."""
        cached = self.cache_read + self.cache_write_5m + self.cache_write_1h
        return self.input + cached + self.audio_input + self.image_input

    @property
    def total_output(self) -> int:
        """All that was written by the model."""
        return self.output + self.reasoning + self.audio_output


Finish = Literal[
    "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "context_length"
]


class Choice(Struct, frozen=True, kw_only=True):
    index: int = 0
    parts: tuple[Part, ...] = ()
    finish: Finish | None = None
    stop_sequence: str | None = None
    logprobs: Raw | None = None


class Completion(Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    model: str
    created_seconds: int = 0
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    extra: tuple[tuple[str, Raw], ...] = ()


class Start(Struct, frozen=True, kw_only=True, tag="start"):
    """The answer begins; ``usage`` holds what is known already (Anthropic tells the input at once)."""

    id: str
    model: str
    created_seconds: int = 0
    usage: Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


PartKind = Literal["text", "thinking", "redacted_thinking", "refusal", "tool_call", "audio"]


class PartStart(Struct, frozen=True, kw_only=True, tag="part_start"):
    """A part of choice ``choice`` opens; ``part`` counts from 0 within the choice, in order of opening."""

    part: int
    kind: PartKind
    choice: int = 0
    tool_id: str = ""
    tool_name: str = ""
    data: str = ""
    """The whole payload of a redacted thinking part, or the id of an audio part."""


DeltaKind = Literal["text", "thinking", "signature", "refusal", "arguments", "audio", "transcript", "citation"]


class Delta(Struct, frozen=True, kw_only=True, tag="delta"):
    """More of an open part. ``arguments`` and ``citation`` carry JSON text, ``audio`` base64."""

    part: int
    kind: DeltaKind
    text: str
    choice: int = 0


class Logprobs(Struct, frozen=True, kw_only=True, tag="logprobs"):
    """Log probabilities of the tokens just sent, as the dialect of origin wrote them."""

    value: Raw
    choice: int = 0


class PartStop(Struct, frozen=True, kw_only=True, tag="part_stop"):
    part: int
    choice: int = 0


class ChoiceStop(Struct, frozen=True, kw_only=True, tag="choice_stop"):
    finish: Finish
    choice: int = 0
    stop_sequence: str | None = None


class UsageReport(Struct, frozen=True, kw_only=True, tag="usage"):
    """The usage so far, whole: a later report replaces an earlier one."""

    usage: Usage


class Ping(Struct, frozen=True, kw_only=True, tag="ping"):
    """A sign of life without meaning."""


class Failure(Struct, frozen=True, kw_only=True, tag="failure"):
    """The answer broke off; nothing follows, not even :class:`Done`."""

    error: SwitchgearError


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """The answer is complete."""


Event = Start | PartStart | Delta | Logprobs | PartStop | ChoiceStop | UsageReport | Ping | Failure | Done
