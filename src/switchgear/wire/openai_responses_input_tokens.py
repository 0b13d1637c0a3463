"""Counting tokens in OpenAI's Responses API, ``/v1/responses/input_tokens``: a request without an answer."""

from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Chat, Completion, Usage
from switchgear.kernel.dialect import Dialect, Family, Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.json_body import ABSENT, decode_answer, said
from switchgear.wire.openai_errors import read_stream_error
from switchgear.wire.openai_responses import OpenAIResponses
from switchgear.wire.openai_responses_ask import write_count_request


class WireCount(Struct):
    input_tokens: int | None = None
    error: Raw = ABSENT


class OpenAIResponsesInputTokens(OpenAIResponses):
    """Counting as a dialect: a count is a completion without choices whose usage is the input alone."""

    name: str = "openai_responses_input_tokens"
    family: Family = "count_tokens"

    def write_request(self, chat: Chat) -> bytes:
        return write_count_request(chat)

    def read_reply(self, body: bytes) -> Completion:
        return Completion(id="", model="", usage=self.glance(body).usage)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        tokens = 0 if completion.usage is None else completion.usage.total_input
        return json.encode({"object": "response.input_tokens", "input_tokens": tokens})

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200."""
        found = decode_answer(WireCount, body)
        if said(found.error) is not None:
            raise read_stream_error(json.decode(body, type=dict[str, object]))
        if found.input_tokens is None:
            raise UpstreamGarbled("the upstream's answer holds no input_tokens")
        return Tally(usage=Usage(input=max(found.input_tokens, 0)), complete=True)


DIALECTS: Final = (OpenAIResponsesInputTokens,)

if TYPE_CHECKING:
    _: type[Dialect] = OpenAIResponsesInputTokens
