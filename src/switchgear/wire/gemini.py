"""The Gemini dialect: ``:generateContent`` and ``:streamGenerateContent`` of Google's Gemini API and of Vertex AI.

Specification: ai.google.dev/api/generate-content, read together with what Google's SDKs send and accept. The model and
whether to stream stand in the path, so that a body says neither.
"""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Family, Relay, Splitter, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import gemini_ask, gemini_errors, gemini_relay, gemini_reply, gemini_request
from switchgear.wire.gemini_names import resource
from switchgear.wire.gemini_stream import GeminiEventReader, read_array
from switchgear.wire.gemini_writer import KEEPALIVE, GeminiEventWriter
from switchgear.wire.json_body import members, splice, text
from switchgear.wire.sse import STREAM_TYPE, FrameSplitter


class GeminiShared:
    """What Google's dialects have in common: errors, and where the model is named."""

    family: Family = "chat"
    stream_type: bytes = STREAM_TYPE
    keepalive: bytes = KEEPALIVE

    def splitter(self) -> Splitter:
        return FrameSplitter()

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        """The same bytes, but for a model that the body names beside the path: Google refuses another one there."""
        return splice(body, {"model": text(resource(model))}) if "model" in members(body) else body

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        return gemini_errors.read_error(status, body, retry_after_seconds)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return gemini_errors.write_error(error, request_id)

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        return gemini_errors.write_failure(error, request_id)


class Gemini(GeminiShared):
    """Contents in, candidates out; streams are server-sent events."""

    name: str = "gemini"

    def read_request(self, body: bytes) -> Chat:
        return gemini_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return gemini_ask.write_request(chat)

    def read_reply(self, body: bytes) -> Completion:
        """Also of an array of chunks, as a stream looks that was not asked for as events."""
        return read_array(body) if body.lstrip().startswith(b"[") else gemini_reply.read_reply(body)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return gemini_reply.write_reply(completion)

    def glance(self, body: bytes) -> Tally:
        return gemini_relay.glance(body)

    def relay(self, options: StreamOptions) -> Relay:
        return gemini_relay.GeminiRelay(options)

    def events(self) -> EventReader:
        return GeminiEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return GeminiEventWriter(options)


DIALECTS: Final = (Gemini,)

if TYPE_CHECKING:
    _: type[Dialect] = Gemini
