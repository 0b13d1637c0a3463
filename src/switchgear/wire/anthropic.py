"""The Anthropic dialect: ``/v1/messages`` of Anthropic and of all that call themselves compatible.

Specification: docs.claude.com/en/api/messages, read together with what the vendor's SDKs accept.
"""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Family, Relay, Splitter, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import anthropic_ask, anthropic_errors, anthropic_reply, anthropic_request
from switchgear.wire.anthropic_relay import AnthropicRelay
from switchgear.wire.anthropic_stream import AnthropicEventReader
from switchgear.wire.anthropic_writer import PING, AnthropicEventWriter
from switchgear.wire.json_body import set_model, text
from switchgear.wire.sse import STREAM_TYPE, FrameSplitter

DEFAULT_MAX_TOKENS: Final = 4096


class Anthropic:
    """Messages; ``default_max_tokens`` limits the answer of a translated request that sets no limit itself.

    Anthropic demands a limit where other dialects do not; a thinking budget made from an effort is added to it.
    """

    name: str = "anthropic"
    family: Family = "chat"
    stream_type: bytes = STREAM_TYPE
    keepalive: bytes = PING

    def __init__(self, default_max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        self._default_max_tokens = default_max_tokens

    def read_request(self, body: bytes) -> Chat:
        return anthropic_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return anthropic_ask.write_request(chat, self._default_max_tokens)

    def read_reply(self, body: bytes) -> Completion:
        return anthropic_reply.read_reply(body)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return anthropic_reply.write_reply(completion)

    def glance(self, body: bytes) -> Tally:
        return anthropic_reply.glance(body)

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        return set_model(body, text(model))

    def splitter(self) -> Splitter:
        return FrameSplitter()

    def relay(self, options: StreamOptions) -> Relay:
        return AnthropicRelay(options)

    def events(self) -> EventReader:
        return AnthropicEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return AnthropicEventWriter(options)

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        return anthropic_errors.read_error(status, body, retry_after_seconds)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return anthropic_errors.write_error(error, request_id)

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        return anthropic_errors.write_failure(error, request_id)


DIALECTS: Final = (Anthropic,)

if TYPE_CHECKING:
    _: type[Dialect] = Anthropic
