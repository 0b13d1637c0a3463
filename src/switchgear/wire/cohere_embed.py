"""Cohere's embeddings (``POST /v2/embed``, docs.cohere.com/reference/embed), both ways.

Cohere must be told what the vectors are for; a request that does not say is one for documents to be searched. Numbers
and base64 are translated. The quantised types are calibrated by Cohere's models themselves and cannot be made from
numbers: they pass between ends that both speak this dialect, as images do.
"""

from typing import Final, cast

from msgspec import Raw, Struct, field, json

from switchgear.kernel.chat import Usage
from switchgear.kernel.dialect import Family, Tally
from switchgear.kernel.errors import BadRequest, UpstreamGarbled
from switchgear.kernel.retrieval import Embed, Embeddings, EmbedPurpose
from switchgear.wire.cohere_chat import CohereShared
from switchgear.wire.cohere_chat_parts import refused
from switchgear.wire.cohere_chat_request import check_utf8
from switchgear.wire.cohere_errors import read_disguised
from switchgear.wire.cohere_usage import WireUsage, read_usage, write_usage
from switchgear.wire.embeddings import EncodingFormat, read_vector, write_vector
from switchgear.wire.json_body import ABSENT, decode, decode_answer, kept, object_text, said, unknown_members

OWN_FIELDS: Final = frozenset(("input_type", "truncate", "max_tokens", "priority"))
"""Fields of Cohere's own that the canonical form only carries."""
DEFAULT_PURPOSE: Final = "search_document"
_PURPOSES: Final = ("search_query", "search_document", "classification", "clustering")
_TRANSLATED: Final[dict[str, EncodingFormat]] = {"float": "float", "base64": "base64"}


class WireContent(Struct):
    type: str
    text: str | None = None


class WireInput(Struct, forbid_unknown_fields=True):
    content: list[WireContent]


class WireRequest(Struct):
    model: str
    input_type: str | None = None
    texts: list[str] | None = None
    images: list[str] | None = None
    inputs: list[WireInput] | None = None
    embedding_types: list[str] | None = None
    output_dimension: int | None = None


class WireVectors(Struct):
    floats: list[list[float]] | None = field(default=None, name="float")
    base64: list[str] | None = None


class WireReply(Struct):
    embeddings: WireVectors | None = None
    id: str | None = None
    meta: WireUsage | None = None
    message: str | None = None


class _Glance(Struct):
    embeddings: Raw = ABSENT
    meta: WireUsage | None = None
    message: str | None = None


class CohereEmbed(CohereShared):
    """Embeddings; there is nothing to stream."""

    name: str = "cohere_embed"
    family: Family = "embeddings"

    def read_request(self, body: bytes) -> Embed:
        """Raises BadRequest or UnsupportedField, naming the field."""
        wire = decode(WireRequest, body)
        check_utf8(body)
        own = unknown_members(WireRequest, body)
        return Embed(
            model=wire.model,
            inputs=_read_inputs(wire),
            dimensions=wire.output_dimension,
            encoding_format=_read_types(wire.embedding_types),
            purpose=_read_purpose(wire.input_type),
            own=tuple((name, value) for name, value in own if said(value) is not None),
        )

    def write_request(self, embed: Embed) -> bytes:
        """Raises UnsupportedField for what Cohere cannot embed or be told."""
        if embed.user is not None:
            raise refused("user", "it has no equal in Cohere's dialect")
        carried = kept(embed, OWN_FIELDS, "Cohere")
        if embed.purpose == "similarity":
            raise refused("taskType", "Cohere makes no vectors for similarity alone; say classification or clustering")
        for at, given in enumerate(embed.inputs):
            if not isinstance(given, str):
                raise refused(f"input[{at}]", "Cohere embeds texts, not token ids")
        own: dict[str, object] = {"input_type": embed.purpose or DEFAULT_PURPOSE, **dict(carried)}
        return object_text(
            (
                ("model", embed.model),
                ("texts", embed.inputs),
                ("output_dimension", embed.dimensions),
                ("embedding_types", None if embed.encoding_format is None else [embed.encoding_format]),
                *own.items(),
            )
        )

    def read_reply(self, body: bytes) -> Embeddings:
        """Raises UpstreamGarbled or UpstreamRefused."""
        wire = decode_answer(WireReply, body)
        if wire.message is not None:
            raise read_disguised(body)
        found = wire.embeddings or WireVectors()
        vectors = found.floats if found.floats is not None else found.base64
        if vectors is None:
            raise UpstreamGarbled("the upstream's answer has no embeddings as numbers or base64")
        return Embeddings(
            id=wire.id or "",
            model="",
            vectors=tuple(read_vector(vector) for vector in vectors),
            usage=None if wire.meta is None else read_usage(wire.meta),
        )

    def write_reply(self, reply: Embeddings, asked: Embed | None = None) -> bytes:
        """The body for a client, in the type that it asked for; numbers when it did not say."""
        kind: EncodingFormat = (None if asked is None else asked.encoding_format) or "float"
        written: dict[str, object] = {
            "id": reply.id,
            "embeddings": {kind: [write_vector(vector, kind) for vector in reply.vectors]},
            "meta": {"api_version": {"version": "2"}, **_write_meta(reply.usage)},
            "response_type": "embeddings_by_type",
        }
        return json.encode(written if asked is None else written | {"texts": asked.inputs})

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled or UpstreamRefused."""
        seen = decode_answer(_Glance, body)
        if seen.message is not None:
            raise read_disguised(body)
        if said(seen.embeddings) is None:
            raise UpstreamGarbled("the upstream's answer has no embeddings")
        return Tally(usage=None if seen.meta is None else read_usage(seen.meta), complete=True)


def _read_inputs(wire: WireRequest) -> tuple[str, ...]:
    if wire.images:
        raise refused("images", "images are embedded only by an upstream that speaks Cohere's dialect")
    if wire.texts is not None:
        return tuple(wire.texts)
    if wire.inputs is None:
        raise BadRequest("texts is required", param="texts")
    return tuple(_read_input(given, f"inputs[{at}]") for at, given in enumerate(wire.inputs))


def _read_input(given: WireInput, place: str) -> str:
    match given.content:
        case [WireContent(type="text", text=str(text))]:
            return text
        case _:
            reason = "inputs of several parts, or images, are embedded only by an upstream that speaks Cohere's dialect"
            raise refused(f"{place}.content", reason)


def _read_types(types: list[str] | None) -> EncodingFormat | None:
    if not types:
        return None
    if len(types) > 1 or types[0] not in _TRANSLATED:
        reason = "one of float and base64 at a time is made by an upstream that does not speak Cohere's dialect"
        raise refused("embedding_types", reason)
    return _TRANSLATED[types[0]]


def _read_purpose(input_type: str | None) -> EmbedPurpose | None:
    if input_type is None:
        return None
    if input_type not in _PURPOSES:
        raise refused("input_type", f"{input_type!r} is none of {', '.join(_PURPOSES)}")
    return cast("EmbedPurpose", input_type)


def _write_meta(usage: Usage | None) -> dict[str, object]:
    if usage is None:
        return {}
    written = write_usage(usage)
    billed = cast("dict[str, object]", written.pop("billed_units"))
    del written["tokens"], billed["output_tokens"]
    return {"billed_units": billed, **written}


DIALECTS: Final = (CohereEmbed,)
