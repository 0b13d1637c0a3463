"""The dialect of Amazon Bedrock's Converse and ConverseStream.

Specification: Amazon Bedrock API Reference, read together with the service's model in botocore. The model and the wish
to stream stand in the path, so neither is in a body; who reads a request adds them.
"""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Family, Relay, Splitter, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import bedrock_converse_ask, bedrock_converse_reply, bedrock_converse_request, bedrock_errors
from switchgear.wire.bedrock_converse_relay import ConverseRelay
from switchgear.wire.bedrock_converse_stream import ConverseEventReader
from switchgear.wire.bedrock_converse_writer import KEEPALIVE, ConverseEventWriter
from switchgear.wire.event_stream import STREAM_TYPE, MessageSplitter


class BedrockConverse:
    """Converse; a stream is in Amazon's binary framing."""

    name: str = "bedrock_converse"
    family: Family = "chat"
    stream_type: bytes = STREAM_TYPE
    keepalive: bytes = KEEPALIVE

    def read_request(self, body: bytes) -> Chat:
        return bedrock_converse_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return bedrock_converse_ask.write_request(chat)

    def read_reply(self, body: bytes) -> Completion:
        return bedrock_converse_reply.read_reply(body)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return bedrock_converse_reply.write_reply(completion)

    def glance(self, body: bytes) -> Tally:
        return bedrock_converse_reply.glance(body)

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        return body

    def splitter(self) -> Splitter:
        return MessageSplitter()

    def relay(self, options: StreamOptions) -> Relay:
        return ConverseRelay()

    def events(self) -> EventReader:
        return ConverseEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return ConverseEventWriter(options)

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        return bedrock_errors.read_error(status, body, retry_after_seconds)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return bedrock_errors.write_error(error)

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        return bedrock_errors.write_failure(error)


DIALECTS: Final = (BedrockConverse,)

if TYPE_CHECKING:
    _: type[Dialect] = BedrockConverse
