"""Reranking as Jina offers it, and after it vLLM, llama.cpp, SGLang and many hosts: ``POST /v1/rerank``.

Reading is lenient, as those who speak it are not alike: Voyage and Fireworks call the results ``data``, Text Embeddings
Inference and SGLang send a bare list with ``score``. Documents are in an answer unless the client asked for none.
The answer tells what was billed twice, in ``usage`` and in ``meta``, where clients that know Cohere's first version
look for it.
"""

from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Usage
from switchgear.kernel.dialect import Family, Tally
from switchgear.kernel.errors import UnsupportedField, UpstreamGarbled
from switchgear.kernel.retrieval import Ranked, Ranking, Rerank
from switchgear.wire.cohere_chat_request import check_utf8
from switchgear.wire.cohere_rerank import WireDocument, read_documents, read_meta, write_meta, write_ranked
from switchgear.wire.cohere_usage import WireUsage as WireMeta
from switchgear.wire.json_body import ABSENT, decode, decode_answer, object_text, refuse_own, said, unknown_members
from switchgear.wire.openai_chat import OpenAIShared
from switchgear.wire.openai_usage import WireUsage, read_usage, refuse_error


class WireRequest(Struct):
    model: str
    query: str
    documents: list[str | dict[str, Raw]]
    top_n: int | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None
    user: str | None = None


class WireRanked(Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None
    document: WireDocument | str | None = None
    text: str | None = None


class WireReply(Struct):
    results: list[WireRanked] | None = None
    data: list[WireRanked] | None = None
    id: str | None = None
    model: str | None = None
    object: str | None = None
    usage: WireUsage | None = None
    meta: WireMeta | None = None
    error: Raw = ABSENT


class JinaRerank(OpenAIShared):
    """Documents in the order of their relevance."""

    name: str = "jina_rerank"
    family: Family = "rerank"

    def read_request(self, body: bytes) -> Rerank:
        """Raises BadRequest, or UnsupportedField for images, naming the field."""
        wire = decode(WireRequest, body)
        check_utf8(body)
        for at, document in enumerate(wire.documents):
            if not isinstance(document, str) and "image" in document:
                place = f"documents[{at}].image"
                raise UnsupportedField(f"{place}: images have no equal in another dialect", param=place)
        extra = unknown_members(WireRequest, body)
        return Rerank(
            model=wire.model,
            query=wire.query,
            documents=read_documents(wire.documents),
            top=wire.top_n,
            return_documents=wire.return_documents,
            max_tokens_per_document=wire.max_tokens_per_doc,
            user=wire.user,
            extra=tuple((name, value) for name, value in extra if said(value) is not None),
        )

    def write_request(self, rerank: Rerank) -> bytes:
        """Raises UnsupportedField for a limit on the tokens of a document, of which few servers know."""
        if rerank.max_tokens_per_document is not None:
            reason = "servers that rerank as Jina does have no such limit, or none by this name"
            raise UnsupportedField(f"max_tokens_per_doc: {reason}", param="max_tokens_per_doc")
        refuse_own(rerank, "Jina")
        return object_text(
            (
                ("model", rerank.model),
                ("query", rerank.query),
                ("documents", rerank.documents),
                ("top_n", rerank.top),
                ("return_documents", rerank.return_documents),
                ("user", rerank.user),
                *rerank.extra,
            )
        )

    def read_reply(self, body: bytes) -> Ranking:
        """Raises UpstreamGarbled or UpstreamRefused."""
        wire = _decode(body)
        return Ranking(
            id=wire.id or "",
            model=wire.model or "",
            results=tuple(sorted(map(_read_ranked, _results(wire)), key=lambda item: -item.relevance)),
            usage=_read_usage(wire),
            searches=read_meta(wire.meta)[1],
        )

    def write_reply(self, reply: Ranking, asked: Rerank | None = None) -> bytes:
        """The body for a client; with the documents unless it asked for none."""
        wants_documents = asked is not None and asked.return_documents is not False
        results = [write_ranked(item, asked if wants_documents else None) for item in reply.results]
        usage = reply.usage or Usage(estimated=True)
        told: dict[str, object] = {"prompt_tokens": usage.total_input, "total_tokens": usage.total_input}
        if usage.estimated:
            told["estimated"] = True
        model = reply.model or ("" if asked is None else asked.model)
        return json.encode(
            {"id": reply.id, "model": model, "results": results, "usage": told, "meta": write_meta(reply)}
        )

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled or UpstreamRefused."""
        return Tally(usage=_read_usage(_decode(body)), complete=True)

    def prepare(self, body: bytes, model: str, *, stream: bool = False) -> bytes:
        """The client's request with the model name replaced; there is nothing to stream."""
        return super().prepare(body, model, stream=False)


def _decode(body: bytes) -> WireReply:
    if body.lstrip().startswith(b"["):
        return WireReply(results=decode_answer(list[WireRanked], body))
    wire = decode_answer(WireReply, body)
    refuse_error(wire.error, wire.object, body)
    if wire.results is None and wire.data is None:
        raise UpstreamGarbled("the upstream's answer has no results")
    return wire


def _results(wire: WireReply) -> list[WireRanked]:
    return (wire.results if wire.results is not None else wire.data) or []


def _read_ranked(item: WireRanked) -> Ranked:
    relevance = item.relevance_score if item.relevance_score is not None else item.score
    if relevance is None:
        raise UpstreamGarbled(f"the upstream's answer has no score for document {item.index}")
    document = item.document.text if isinstance(item.document, WireDocument) else item.document
    return Ranked(index=item.index, relevance=relevance, document=document if document is not None else item.text)


def _read_usage(wire: WireReply) -> Usage | None:
    if wire.usage is not None:
        if wire.usage.prompt_tokens is None:
            wire.usage.prompt_tokens = wire.usage.total_tokens
        return read_usage(wire.usage)
    return read_meta(wire.meta)[0]


DIALECTS: Final = (JinaRerank,)
