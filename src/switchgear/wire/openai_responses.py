"""The OpenAI Responses dialect: ``/v1/responses`` of OpenAI and of the servers that speak it too.

Specification: platform.openai.com/docs/api-reference/responses, read together with what the vendor's SDKs accept.
"""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.chat import Chat, Completion
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Relay, StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError
from switchgear.wire import openai_responses_ask, openai_responses_reply, openai_responses_request
from switchgear.wire.json_body import set_model, text
from switchgear.wire.openai_chat import OpenAIShared
from switchgear.wire.openai_errors import write_error
from switchgear.wire.openai_responses_relay import ResponsesRelay
from switchgear.wire.openai_responses_stream import ResponsesEventReader
from switchgear.wire.openai_responses_usage import write_failure
from switchgear.wire.openai_responses_writer import ResponsesEventWriter

_NAMES: Final = {
    "logprobs": "include",
    "output_config.effort": "reasoning.effort",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "response_format.json_schema.description": "text.format.description",
}
"""What the API's clients call the fields that those of chat completions call otherwise."""


class OpenAIResponses(OpenAIShared):
    """Responses. An answer repeats its request, so ``asked`` matters here; a stream tells its usage unasked."""

    name: str = "openai_responses"

    def read_request(self, body: bytes) -> Chat:
        return openai_responses_request.read_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return openai_responses_ask.write_request(chat)

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        return set_model(body, text(model))

    def read_reply(self, body: bytes) -> Completion:
        return openai_responses_reply.read_reply(body)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return openai_responses_reply.write_reply(completion, asked)

    def glance(self, body: bytes) -> Tally:
        return openai_responses_reply.glance(body)

    def relay(self, options: StreamOptions) -> Relay:
        return ResponsesRelay(options)

    def events(self) -> EventReader:
        return ResponsesEventReader()

    def writer(self, options: StreamOptions) -> EventWriter:
        return ResponsesEventWriter(options)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return write_error(error, _NAMES)

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        return write_failure(error)


DIALECTS: Final = (OpenAIResponses,)

if TYPE_CHECKING:
    _: type[Dialect] = OpenAIResponses
