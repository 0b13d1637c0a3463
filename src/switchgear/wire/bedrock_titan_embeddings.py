"""Amazon Titan's text embeddings on Bedrock (``/model/{model}/invoke``), both ways: one text in, one vector out.

Specification: Amazon Bedrock User Guide, model-parameters-titan-embed-text. The model stands in the path.
"""

from typing import Final, Literal

from msgspec import Raw, Struct

from switchgear.kernel.chat import Usage
from switchgear.kernel.dialect import Family, Tally
from switchgear.kernel.errors import SwitchgearError, UnsupportedField, UpstreamGarbled, UpstreamRefused
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.wire import bedrock_errors
from switchgear.wire.embeddings import PURPOSE_FIELD
from switchgear.wire.json_body import ABSENT, decode, decode_answer, kept, object_text, said, unknown_members

OWN_FIELDS: Final = frozenset(("normalize",))
"""Fields of Titan's own that the canonical form only carries."""


class WireRequest(Struct, rename="camel"):
    input_text: str
    dimensions: int | None = None
    embedding_types: list[Literal["float"]] | None = None
    """Packed bits are no vector that others could be told."""


class WireReply(Struct, rename="camel"):
    embedding: list[float] | None = None
    input_text_token_count: int | None = None


class _Glance(Struct, rename="camel"):
    embedding: Raw = ABSENT
    input_text_token_count: int | None = None


class BedrockTitanEmbeddings:
    """Embeddings; there is nothing to stream."""

    name: str = "bedrock_titan_embeddings"
    family: Family = "embeddings"
    stream_type: bytes = b""

    def read_request(self, body: bytes) -> Embed:
        """Raises BadRequest, naming the field."""
        wire = decode(WireRequest, body)
        return Embed(
            model="",
            inputs=(wire.input_text,),
            dimensions=wire.dimensions,
            encoding_format=None if wire.embedding_types is None else "float",
            own=unknown_members(WireRequest, body),
        )

    def write_request(self, embed: Embed) -> bytes:
        """Raises UnsupportedField. In which form the client wants the numbers is the gateway's own affair."""
        text = embed.inputs[0] if len(embed.inputs) == 1 else None
        if not isinstance(text, str):
            raise _refused("input", "Titan embeds one text at a time, and no tokens")
        if embed.user is not None:
            raise _refused("user", "it has no equal in Titan's dialect")
        carried = kept(embed, OWN_FIELDS, "Titan")
        return object_text((("inputText", text), ("dimensions", embed.dimensions), *carried))

    def untold(self, asked: Embed) -> tuple[str, ...]:
        """The purpose: Titan's vectors serve them all."""
        return () if asked.purpose is None else (PURPOSE_FIELD,)

    def read_reply(self, body: bytes) -> Embeddings:
        """Raises UpstreamGarbled or UpstreamRefused."""
        wire = decode_answer(WireReply, body)
        if wire.embedding is None:
            raise bedrock_errors.read_hidden_error(body)
        return Embeddings(model="", vectors=(tuple(wire.embedding),), usage=_usage(wire.input_text_token_count))

    def write_reply(self, reply: Embeddings, asked: Embed | None = None) -> bytes:
        """Raises UpstreamGarbled for other than one vector."""
        if len(reply.vectors) != 1:
            raise UpstreamGarbled(f"the upstream gave {len(reply.vectors)} vectors where one was asked for")
        vector = reply.vectors[0]
        tokens = 0 if reply.usage is None else reply.usage.total_input
        by_type = {"float": vector} if asked is not None and asked.encoding_format is not None else None
        return object_text((("embedding", vector), ("inputTextTokenCount", tokens), ("embeddingsByType", by_type)))

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled or UpstreamRefused."""
        seen = decode_answer(_Glance, body)
        if said(seen.embedding) is None:
            raise bedrock_errors.read_hidden_error(body)
        return Tally(usage=_usage(seen.input_text_token_count), complete=True)

    def prepare(self, body: bytes, model: str, *, stream: bool = False) -> bytes:
        return body

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        return bedrock_errors.read_error(status, body, retry_after_seconds)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return bedrock_errors.write_error(error)


def _usage(tokens: int | None) -> Usage | None:
    return None if tokens is None else Usage(input=max(tokens, 0))


def _refused(param: str, reason: str) -> UnsupportedField:
    return UnsupportedField(f"{param}: {reason}", param=param)


DIALECTS: Final = (BedrockTitanEmbeddings,)
