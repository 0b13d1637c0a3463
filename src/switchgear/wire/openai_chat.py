"""The OpenAI chat completions dialect: ``/v1/chat/completions`` of OpenAI and of all that call themselves compatible.

Specification: platform.openai.com/docs/api-reference/chat, read together with what the vendor's SDKs accept.
"""

from typing import TYPE_CHECKING

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Relay, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import openai_chat_reply, openai_chat_request, openai_errors
from switchgear.wire.json_body import splice, text
from switchgear.wire.openai_chat_stream import ChatEventReader
from switchgear.wire.openai_chat_writer import KEEPALIVE, ChatEventWriter
from switchgear.wire.openai_relay import ChatRelay


class OpenAIShared:
    """What OpenAI's dialects have in common: errors, and how a body is prepared for an upstream."""

    keepalive: bytes = KEEPALIVE

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        edits = {"model": text(model)}
        options = openai_chat_request.usage_asked(body) if stream else None
        if options is not None:
            edits["stream_options"] = options
        return splice(body, edits)

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

    def read_request(self, body: bytes) -> Chat:
        return openai_chat_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return openai_chat_request.write_request(chat, self._output_limit_field)

    def read_reply(self, body: bytes) -> Completion:
        return openai_chat_reply.read_reply(body)

    def write_reply(self, completion: Completion) -> bytes:
        return openai_chat_reply.write_reply(completion)

    def glance(self, body: bytes) -> Tally:
        return openai_chat_reply.glance(body, openai_chat_reply.chat_content_bytes)

    def relay(self, options: StreamOptions) -> Relay:
        return ChatRelay(options, "chat.completion.chunk")

    def events(self) -> EventReader:
        return ChatEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return ChatEventWriter(options)


if TYPE_CHECKING:
    _: type[Dialect] = OpenAIChat
