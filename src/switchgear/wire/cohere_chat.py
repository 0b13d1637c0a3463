"""The Cohere dialect: ``/v2/chat`` of Cohere and of the servers that speak like it.

Specification: docs.cohere.com/reference/chat, read together with what the vendor's SDKs accept.
"""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Family, Relay, Splitter, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import cohere_chat_reply, cohere_chat_request, cohere_errors
from switchgear.wire.cohere_chat_relay import CohereRelay
from switchgear.wire.cohere_chat_stream import CohereEventReader
from switchgear.wire.cohere_chat_writer import KEEPALIVE, CohereEventWriter
from switchgear.wire.json_body import set_model, text
from switchgear.wire.sse import STREAM_TYPE, FrameSplitter


class CohereShared:
    """What Cohere's dialects have in common: errors, and how a body is prepared for an upstream."""

    stream_type: bytes = STREAM_TYPE
    keepalive: bytes = KEEPALIVE

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        return set_model(body, text(model))

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        return cohere_errors.read_error(status, body, retry_after_seconds)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return cohere_errors.write_error(error, request_id)

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        return cohere_errors.write_failure(error)


class CohereChat(CohereShared):
    """Chat; usage is told without being asked for."""

    name: str = "cohere_chat"
    family: Family = "chat"

    def read_request(self, body: bytes) -> Chat:
        return cohere_chat_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return cohere_chat_request.write_request(chat)

    def read_reply(self, body: bytes) -> Completion:
        return cohere_chat_reply.read_reply(body)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return cohere_chat_reply.write_reply(completion)

    def glance(self, body: bytes) -> Tally:
        return cohere_chat_reply.glance(body)

    def splitter(self) -> Splitter:
        return FrameSplitter()

    def relay(self, options: StreamOptions) -> Relay:
        return CohereRelay()

    def events(self) -> EventReader:
        return CohereEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return CohereEventWriter(options)


DIALECTS: Final = (CohereChat,)

if TYPE_CHECKING:
    _: type[Dialect] = CohereChat
