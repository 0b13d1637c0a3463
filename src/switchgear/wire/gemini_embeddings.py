"""Gemini's embeddings, both ways: ``:batchEmbedContents``, and ``:embedContent`` for one content alone.

Specification: ai.google.dev/api/embeddings. All contents of one call must be wanted alike: other dialects say what
vectors are for, and how long, once.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.dialect import Family, Tally
from switchgear.kernel.errors import BadRequest, UpstreamGarbled
from switchgear.kernel.retrieval import Embed, Embeddings, EmbedPurpose
from switchgear.wire.gemini import GeminiShared
from switchgear.wire.gemini_contents import Content
from switchgear.wire.gemini_errors import read_stream_error
from switchgear.wire.gemini_names import bare, camelled, resource
from switchgear.wire.gemini_parts import refused
from switchgear.wire.gemini_usage import WireUsage, read_usage, write_usage
from switchgear.wire.json_body import ABSENT, decode, decode_answer, kept, members, object_text, said, splice, text

_PURPOSES: Final[dict[str, EmbedPurpose]] = {
    "RETRIEVAL_QUERY": "search_query",
    "RETRIEVAL_DOCUMENT": "search_document",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
    "SEMANTIC_SIMILARITY": "similarity",
}
_TASKS: Final = {purpose: task for task, purpose in _PURPOSES.items()}
_UNSPECIFIED: Final = "TASK_TYPE_UNSPECIFIED"
_OWN_FIELDS: Final = frozenset(("taskType", "title"))


class WireRequest(Struct, rename="camel", forbid_unknown_fields=True):
    """One content; ``task_type`` and the rest apply to it alone."""

    content: Content
    model: str = ""
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None

    def settings(self) -> tuple[object, ...]:
        """What must be the same for all contents of a call."""
        return self.model, self.task_type, self.title, self.output_dimensionality


class WireBatch(Struct, rename="camel", forbid_unknown_fields=True):
    requests: list[WireRequest]


class WireVector(Struct):
    values: list[float]


class WireReply(Struct, rename="camel"):
    """``embeddings`` of a batch, or the one ``embedding``."""

    embeddings: list[WireVector] | None = None
    embedding: WireVector | None = None
    usage_metadata: WireUsage | None = None
    error: Raw = ABSENT


class _Glance(Struct, rename="camel"):
    embeddings: Raw = ABSENT
    embedding: Raw = ABSENT
    usage_metadata: WireUsage | None = None
    error: Raw = ABSENT


class GeminiEmbeddings(GeminiShared):
    """A batch of contents; there is nothing to stream."""

    name: str = "gemini_embeddings"
    family: Family = "embeddings"

    def read_request(self, body: bytes) -> Embed:
        """Raises BadRequest or UnsupportedField, naming the field."""
        requests = decode(WireBatch, camelled(WireBatch, body)).requests
        if not requests:
            raise BadRequest("requests must hold at least one request", param="requests")
        for at, request in enumerate(requests):
            if request.settings() != requests[0].settings():
                raise refused(
                    f"requests[{at}]", "its settings differ from the first's, and have to be the same elsewhere"
                )
        return _read_embed(requests, [f"requests[{at}]." for at in range(len(requests))])

    def write_request(self, embed: Embed) -> bytes:
        return object_text((("requests", [dict(_fields(embed, content)) for content in _contents(embed)]),))

    def read_reply(self, body: bytes) -> Embeddings:
        """Raises UpstreamGarbled or UpstreamRefused."""
        wire = decode_answer(WireReply, body)
        _check(wire.error, body)
        vectors = wire.embeddings
        if vectors is None:
            vectors = [] if wire.embedding is None else [wire.embedding]
        usage = None if wire.usage_metadata is None else read_usage(wire.usage_metadata)
        return Embeddings(model="", vectors=tuple(tuple(vector.values) for vector in vectors), usage=usage)

    def write_reply(self, reply: Embeddings, asked: Embed | None = None) -> bytes:
        written: dict[str, object] = {"embeddings": [{"values": vector} for vector in reply.vectors]}
        return json.encode(written | _usage(reply))

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled or UpstreamRefused."""
        seen = decode_answer(_Glance, body)
        _check(seen.error, body)
        if said(seen.embeddings) is None and said(seen.embedding) is None:
            raise UpstreamGarbled("the upstream's answer has no embeddings")
        return Tally(usage=None if seen.usage_metadata is None else read_usage(seen.usage_metadata), complete=True)

    def prepare(self, body: bytes, model: str, *, stream: bool = False) -> bytes:
        """The client's requests with the model's name replaced in each: it must be the path's."""
        found = said(members(body).get("requests"))
        requests = decode(list[Raw], b"[]" if found is None else bytes(found))
        name = text(resource(model))
        prepared = [splice(bytes(request), {"model": name}) for request in requests]
        return splice(body, {"requests": b"[%b]" % b",".join(prepared)})


class GeminiEmbedContent(GeminiEmbeddings):
    """One content, answered with one vector."""

    name: str = "gemini_embed_content"

    def read_request(self, body: bytes) -> Embed:
        """Raises BadRequest or UnsupportedField, naming the field."""
        return _read_embed([decode(WireRequest, camelled(WireRequest, body))], [""])

    def write_request(self, embed: Embed) -> bytes:
        """Raises UnsupportedField for several inputs."""
        contents = list(_contents(embed))
        if len(contents) != 1:
            raise refused("input", "embedContent takes one content at a time")
        return object_text(_fields(embed, contents[0]))

    def write_reply(self, reply: Embeddings, asked: Embed | None = None) -> bytes:
        """Raises UpstreamGarbled when there is not exactly one vector."""
        if len(reply.vectors) != 1:
            raise UpstreamGarbled(f"the upstream gave {len(reply.vectors)} vectors where one was asked for")
        written: dict[str, object] = {"embedding": {"values": reply.vectors[0]}}
        return json.encode(written | _usage(reply))

    def prepare(self, body: bytes, model: str, *, stream: bool = False) -> bytes:
        """The client's request; its model is replaced where it names one beside the path."""
        return GeminiShared.prepare(self, body, model, stream=stream)


def _read_embed(requests: Sequence[WireRequest], places: Sequence[str]) -> Embed:
    first = requests[0]
    task = None if first.task_type == _UNSPECIFIED else first.task_type
    purpose = None if task is None else _PURPOSES.get(task)
    own: list[tuple[str, Raw]] = []
    if task is not None and purpose is None:
        own.append(("taskType", Raw(text(task))))
    if first.title is not None:
        own.append(("title", Raw(text(first.title))))
    return Embed(
        model=bare(first.model),
        inputs=tuple(_read_text(request.content, place) for request, place in zip(requests, places, strict=True)),
        dimensions=first.output_dimensionality,
        purpose=purpose,
        own=tuple(own),
    )


def _read_text(content: Content, place: str) -> str:
    for at, part in enumerate(content.parts):
        if part.text is None:
            raise refused(f"{place}content.parts[{at}]", "only texts can be embedded through another dialect")
    return "\n".join(part.text or "" for part in content.parts)


def _contents(embed: Embed) -> Iterator[dict[str, object]]:
    for given in embed.inputs:
        if not isinstance(given, str):
            raise refused("input", "Gemini embeds texts, not token ids")
        yield {"parts": [{"text": given}]}


def _fields(embed: Embed, content: object) -> Iterator[tuple[str, object]]:
    """One request, only what is said. Vectors come as numbers; base64 is for the client's dialect to write."""
    if embed.user is not None:
        raise refused("user", "it has no equal in Gemini's dialect")
    yield "model", resource(embed.model)
    yield "content", content
    if embed.purpose is not None:
        yield "taskType", _TASKS[embed.purpose]
    yield from kept(embed, _OWN_FIELDS, "Gemini")
    if embed.dimensions is not None:
        yield "outputDimensionality", embed.dimensions


def _usage(reply: Embeddings) -> dict[str, object]:
    if reply.usage is None:
        return {}
    usage = {name: count for name, count in write_usage(reply.usage).items() if name != "candidatesTokenCount"}
    return {"usageMetadata": usage}


def _check(error: Raw, body: bytes) -> None:
    if said(error) is not None:
        raise read_stream_error(body)


DIALECTS: Final = (GeminiEmbeddings, GeminiEmbedContent)
