"""The OpenAI chat completions dialect: ``/v1/chat/completions`` of OpenAI and of all that call themselves compatible.

Specification: platform.openai.com/docs/api-reference/chat, read together with what the vendor's SDKs accept.
"""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Family, Relay, Splitter, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import openai_chat_reply, openai_chat_request, openai_errors
from switchgear.wire.json_body import add_first, set_model, splice, text
from switchgear.wire.openai_chat_stream import ChatEventReader
from switchgear.wire.openai_chat_writer import KEEPALIVE, ChatEventWriter
from switchgear.wire.openai_relay import ChatRelay
from switchgear.wire.openai_usage import glance
from switchgear.wire.sse import STREAM_TYPE, FrameSplitter

_ASKING_FOR_USAGE: Final = b'"stream_options":{"include_usage":true}'


class OpenAIShared:
    """What OpenAI's dialects have in common: errors, and how a body is prepared for an upstream."""

    family: Family = "chat"
    stream_type: bytes = STREAM_TYPE
    keepalive: bytes = KEEPALIVE

    def splitter(self) -> Splitter:
        return FrameSplitter()

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        prepared = set_model(body, text(model))
        if not stream:
            return prepared
        asking = add_first(prepared, b'"stream_options"', _ASKING_FOR_USAGE)
        if asking is not None:
            return asking
        options = openai_chat_request.usage_asked(prepared)
        return prepared if options is None else splice(prepared, {"stream_options": options})

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        return openai_errors.read_error(status, body, retry_after_seconds)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return openai_errors.write_error(error)

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        return openai_errors.write_failure(error)


class OpenAIChat(OpenAIShared):
    """Chat completions; ``output_limit_field`` is how the upstream calls the limit of its answer.

    OpenAI's reasoning models refuse ``max_tokens``; many compatible servers know nothing else. Reading takes both.
    """

    name: str = "openai_chat"

    def __init__(self, output_limit_field: str = "max_completion_tokens") -> None:
        self._output_limit_field = output_limit_field

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        """As for all of OpenAI's dialects; and a limit that the upstream knows by its older name gets that name too."""
        prepared = super().prepare(body, model, stream=stream)
        if self._output_limit_field == "max_tokens" and b'"max_completion_tokens"' in prepared:
            return openai_chat_request.with_older_limit(prepared)
        return prepared

    def read_request(self, body: bytes) -> Chat:
        return openai_chat_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return openai_chat_request.write_request(chat, self._output_limit_field)

    def read_reply(self, body: bytes) -> Completion:
        return openai_chat_reply.read_reply(body)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return openai_chat_reply.write_reply(completion, asked)

    def glance(self, body: bytes) -> Tally:
        return glance(body, openai_chat_reply.chat_content_bytes)

    def relay(self, options: StreamOptions) -> Relay:
        return ChatRelay(options, "chat.completion.chunk")

    def events(self) -> EventReader:
        return ChatEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return ChatEventWriter(options)


DIALECTS: Final = (OpenAIChat,)

if TYPE_CHECKING:
    _: type[Dialect] = OpenAIChat
