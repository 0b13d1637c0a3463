"""Anthropic's token counting, ``/v1/messages/count_tokens``: a request like a message's, answered with one number."""

from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Chat, Completion, Usage
from switchgear.kernel.dialect import Dialect, Family, Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.anthropic_ask import write_count_request
from switchgear.wire.anthropic_errors import read_stream_error
from switchgear.wire.anthropic_request import read_count_request
from switchgear.wire.json_body import ABSENT, decode_answer, said


class WireCount(Struct):
    input_tokens: int | None = None
    error: Raw = ABSENT


class AnthropicCountTokens(Anthropic):
    """Counting as a dialect: a count is a completion without choices whose usage is the input alone."""

    name: str = "anthropic_count_tokens"
    family: Family = "count_tokens"

    def read_request(self, body: bytes) -> Chat:
        return read_count_request(body)

    def write_request(self, chat: Chat) -> bytes:
        return write_count_request(chat)

    def read_reply(self, body: bytes) -> Completion:
        return Completion(id="", model="", usage=self.glance(body).usage)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return write_count(0 if completion.usage is None else completion.usage.total_input)

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200."""
        found = decode_answer(WireCount, body)
        if said(found.error) is not None:
            raise read_stream_error(body)
        if found.input_tokens is None:
            raise UpstreamGarbled("the upstream's answer holds no input_tokens")
        return Tally(usage=Usage(input=max(found.input_tokens, 0)), complete=True)


def write_count(tokens: int) -> bytes:
    """The answer to a client that asked how many tokens its request has."""
    return json.encode({"input_tokens": tokens})


DIALECTS: Final = (AnthropicCountTokens,)

if TYPE_CHECKING:
    _: type[Dialect] = AnthropicCountTokens
