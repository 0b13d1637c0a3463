"""Gemini's token counting, ``:countTokens``: contents alone or a whole request, answered with one number.

Specification: ai.google.dev/api/tokens. Vertex AI takes ``systemInstruction`` and ``tools`` beside the contents.
"""

from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Chat, Completion, Usage
from switchgear.kernel.dialect import Dialect, Family, Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.gemini import Gemini
from switchgear.wire.gemini_ask import write_count_request
from switchgear.wire.gemini_errors import read_stream_error
from switchgear.wire.gemini_names import camelled, resource
from switchgear.wire.gemini_request import WireRequest, read_request
from switchgear.wire.json_body import ABSENT, decode, decode_answer, members, said, splice, text

_WHOLE: Final = "generateContentRequest"
_WHOLE_SNAKE: Final = "generate_content_request"


class WireCount(Struct, rename="camel"):
    total_tokens: int | None = None
    cached_content_token_count: int | None = None
    error: Raw = ABSENT


class WireWhole(Struct, rename="camel"):
    generate_content_request: WireRequest | None = None


class GeminiCountTokens(Gemini):
    """Counting as a dialect: a count is a completion without choices whose usage is the input alone."""

    name: str = "gemini_count_tokens"
    family: Family = "count_tokens"

    def read_request(self, body: bytes) -> Chat:
        """Raises BadRequest or UnsupportedField, naming the field."""
        found = members(camelled(WireWhole, body)).get(_WHOLE)
        whole = None if found is None else said(found)
        if whole is None:
            return read_request(body)
        decode(WireWhole, body)
        return read_request(bytes(whole))

    def write_request(self, chat: Chat) -> bytes:
        return write_count_request(chat)

    def read_reply(self, body: bytes) -> Completion:
        return Completion(id="", model="", usage=self.glance(body).usage)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        usage = completion.usage or Usage()
        counted = {"totalTokens": usage.total_input}
        return json.encode(counted | {"cachedContentTokenCount": usage.cache_read} if usage.cache_read else counted)

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200."""
        found = decode_answer(WireCount, body)
        if said(found.error) is not None:
            raise read_stream_error(body)
        if found.total_tokens is None:
            raise UpstreamGarbled("the upstream's answer holds no totalTokens")
        cached = max(found.cached_content_token_count or 0, 0)
        return Tally(usage=Usage(input=max(found.total_tokens - cached, 0), cache_read=cached), complete=True)

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        """The same bytes, but for the model that the whole request inside names: it must be the path's."""
        found = members(body)
        name = _WHOLE if _WHOLE in found else _WHOLE_SNAKE
        whole = said(found[name]) if name in found else None
        if whole is None:
            return super().prepare(body, model, stream=stream)
        return splice(body, {name: splice(bytes(whole), {"model": text(resource(model))})})


DIALECTS: Final = (GeminiCountTokens,)

if TYPE_CHECKING:
    _: type[Dialect] = GeminiCountTokens
