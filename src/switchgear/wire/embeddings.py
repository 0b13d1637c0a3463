"""OpenAI embeddings, ``/v1/embeddings``, both ways; vectors as numbers or as base64 of little-endian float32."""

import array
import base64
import binascii
import sys
from typing import Final, Literal

from msgspec import Raw, Struct, json, structs

from switchgear.kernel.chat import Usage
from switchgear.kernel.dialect import Family, Tally
from switchgear.kernel.errors import BadRequest, UpstreamGarbled
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.wire.json_body import (
    ABSENT,
    decode,
    decode_answer,
    object_text,
    refuse_own,
    said,
    splice,
    text,
    unknown_members,
)
from switchgear.wire.openai_chat import OpenAIShared
from switchgear.wire.openai_usage import WireUsage, read_usage, refuse_error

EncodingFormat = Literal["float", "base64"]

PURPOSE_FIELD: Final = "input_type"
_FLOAT32_BYTES: Final = 4


class WireRequest(Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: EncodingFormat | None = None
    user: str | None = None


class WireVector(Struct):
    embedding: list[float] | str
    index: int | None = None


class WireReply(Struct):
    data: list[WireVector] | None = None
    model: str | None = None
    object: str | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT


class _Glance(Struct):
    data: Raw = ABSENT
    object: str | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT


class OpenAIEmbeddings(OpenAIShared):
    """Embeddings; there is nothing to stream."""

    name: str = "openai_embeddings"
    family: Family = "embeddings"

    def read_request(self, body: bytes) -> Embed:
        """Raises BadRequest, naming the field."""
        wire = decode(WireRequest, body)
        return Embed(
            model=wire.model,
            inputs=_read_inputs(wire.input),
            dimensions=wire.dimensions,
            encoding_format=wire.encoding_format,
            user=wire.user,
            extra=unknown_members(WireRequest, body),
        )

    def write_request(self, embed: Embed) -> bytes:
        """Raises UnsupportedField for a field of another vendor's own.

        OpenAI's models embed for every purpose alike, so that a purpose is not told: see :meth:`untold`.
        """
        refuse_own(embed, "OpenAI")
        return object_text(
            (
                ("model", embed.model),
                ("input", embed.inputs),
                ("dimensions", embed.dimensions),
                ("encoding_format", embed.encoding_format),
                ("user", embed.user),
                *embed.extra,
            )
        )

    def untold(self, asked: Embed) -> tuple[str, ...]:
        """The purpose, by the name that most servers have for it which know one."""
        return () if asked.purpose is None else (PURPOSE_FIELD,)

    def read_reply(self, body: bytes) -> Embeddings:
        """Raises UpstreamGarbled or UpstreamRefused."""
        wire = decode_answer(WireReply, body)
        refuse_error(wire.error, wire.object, body)
        if wire.data is None:
            raise _without_data()
        placed = sorted(enumerate(wire.data), key=lambda item: item[0] if item[1].index is None else item[1].index)
        return Embeddings(
            model=wire.model or "",
            vectors=tuple(read_vector(vector.embedding) for _, vector in placed),
            usage=_read_usage(wire.usage),
        )

    def write_reply(self, reply: Embeddings, asked: Embed | None = None) -> bytes:
        """The body for a client, in the encoding that it asked for; numbers when it did not say."""
        encoding_format = None if asked is None else asked.encoding_format
        data = [
            {"object": "embedding", "index": index, "embedding": write_vector(vector, encoding_format)}
            for index, vector in enumerate(reply.vectors)
        ]
        model = reply.model or ("" if asked is None else asked.model)
        return json.encode({"object": "list", "data": data, "model": model, "usage": _write_usage(reply.usage)})

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled or UpstreamRefused."""
        seen = decode_answer(_Glance, body)
        refuse_error(seen.error, seen.object, body)
        if said(seen.data) is None:
            raise _without_data()
        return Tally(usage=_read_usage(seen.usage), complete=True)

    def prepare(self, body: bytes, model: str, *, stream: bool = False) -> bytes:
        """The client's request with the model name replaced."""
        return splice(body, {"model": text(model)})


def _read_inputs(given: str | list[str | int | list[int]]) -> tuple[str | tuple[int, ...], ...]:
    """A bare string and a bare list of token ids are one input each."""
    if isinstance(given, str):
        return (given,)
    tokens = tuple(item for item in given if isinstance(item, int))
    if tokens and len(tokens) < len(given):
        raise BadRequest("input mixes token ids with texts or lists", param="input")
    if tokens:
        return (tokens,)
    return tuple(item if isinstance(item, str) else tuple(item) for item in given if not isinstance(item, int))


def read_vector(given: list[float] | str) -> tuple[float, ...]:
    """A vector as numbers, or as base64 of little-endian float32. Raises UpstreamGarbled."""
    if not isinstance(given, str):
        return tuple(given)
    try:
        data = base64.b64decode(given, validate=True)
    except binascii.Error as error:
        raise UpstreamGarbled(f"the upstream's embedding is not base64: {error}") from None
    if len(data) % _FLOAT32_BYTES:
        raise UpstreamGarbled("the upstream's embedding is no whole number of 4-byte floats")
    return tuple(_little_endian(array.array("f", data)))


def write_vector(vector: tuple[float, ...], encoding_format: EncodingFormat | None) -> str | tuple[float, ...]:
    """The vector as the client asked for it; numbers when it did not say."""
    if encoding_format != "base64":
        return vector
    return base64.b64encode(_little_endian(array.array("f", vector)).tobytes()).decode()


def _little_endian(floats: "array.array[float]") -> "array.array[float]":
    """Swap bytes on the machines that need it."""
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


def _without_data() -> UpstreamGarbled:
    return UpstreamGarbled("the upstream's answer has no data")


def _read_usage(wire: WireUsage | None) -> Usage | None:
    """None where no count is told; Voyage tells the total alone, which is all input here."""
    if wire is None or wire.prompt_tokens is wire.total_tokens is None:
        return None
    if wire.prompt_tokens is None:
        wire = structs.replace(wire, prompt_tokens=wire.total_tokens)
    return read_usage(wire)


def _write_usage(usage: Usage | None) -> dict[str, object]:
    total = 0 if usage is None else usage.total_input
    written: dict[str, object] = {"prompt_tokens": total, "total_tokens": total}
    return written | {"estimated": True} if usage is not None and usage.estimated else written


DIALECTS: Final = (OpenAIEmbeddings,)
