"""Cohere's reranking (``POST /v2/rerank``, docs.cohere.com/reference/rerank), both ways.

Cohere bills searches and tells no tokens. Its answers name documents by their index; a client that asked for the
documents themselves gets them from its own request.
"""

from typing import Final, cast

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import Usage
from switchgear.kernel.dialect import Family, Tally
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.kernel.retrieval import Ranked, Ranking, Rerank
from switchgear.wire.cohere_chat import CohereShared
from switchgear.wire.cohere_chat_parts import refused
from switchgear.wire.cohere_chat_request import check_utf8
from switchgear.wire.cohere_errors import read_disguised
from switchgear.wire.cohere_usage import WireUsage, read_usage, write_usage
from switchgear.wire.json_body import decode, decode_answer, kept, object_text, said, unknown_members

OWN_FIELDS: Final = frozenset(("priority", "relevant_spans"))
"""Fields of Cohere's own that the canonical form only carries."""


class WireRequest(Struct):
    model: str
    query: str
    documents: list[str | dict[str, Raw]]
    top_n: int | None = None
    max_tokens_per_doc: int | None = None
    return_documents: bool | None = None
    """Of the first version."""


class WireDocument(Struct, omit_defaults=True):
    text: str | None = None


class WireRanked(Struct, omit_defaults=True):
    index: int
    relevance_score: float
    document: WireDocument | str | None = None


class WireReply(Struct):
    results: list[WireRanked] | None = None
    id: str | None = None
    meta: WireUsage | None = None
    message: str | None = None


class CohereRerank(CohereShared):
    """Documents in the order of their relevance."""

    name: str = "cohere_rerank"
    family: Family = "rerank"

    def read_request(self, body: bytes) -> Rerank:
        """Raises BadRequest, naming the field."""
        wire = decode(WireRequest, body)
        check_utf8(body)
        own = unknown_members(WireRequest, body)
        return Rerank(
            model=wire.model,
            query=wire.query,
            documents=read_documents(wire.documents),
            top=wire.top_n,
            return_documents=wire.return_documents,
            max_tokens_per_document=wire.max_tokens_per_doc,
            own=tuple((name, value) for name, value in own if said(value) is not None),
        )

    def write_request(self, rerank: Rerank) -> bytes:
        """Raises UnsupportedField for what Cohere cannot be told."""
        if rerank.user is not None:
            raise refused("user", "it has no equal in Cohere's dialect")
        return object_text(
            (
                ("model", rerank.model),
                ("query", rerank.query),
                ("documents", rerank.documents),
                ("top_n", rerank.top),
                ("max_tokens_per_doc", rerank.max_tokens_per_document),
                *kept(rerank, OWN_FIELDS, "Cohere"),
            )
        )

    def read_reply(self, body: bytes) -> Ranking:
        """Raises UpstreamGarbled or UpstreamRefused."""
        wire = _decode(body)
        results = tuple(read_ranked(item) for item in wire.results or ())
        usage, searches = read_meta(wire.meta)
        return Ranking(id=wire.id or "", model="", results=results, usage=usage, searches=searches)

    def write_reply(self, reply: Ranking, asked: Rerank | None = None) -> bytes:
        """The body for a client; with the documents when it asked for them."""
        wants_documents = asked is not None and asked.return_documents is True
        meta: dict[str, object] = {"api_version": {"version": "2"}, **write_meta(reply)}
        results = [write_ranked(item, asked if wants_documents else None) for item in reply.results]
        return json.encode({"id": reply.id, "results": results, "meta": meta})

    def glance(self, body: bytes) -> Tally:
        """Raises UpstreamGarbled or UpstreamRefused."""
        usage, _ = read_meta(_decode(body).meta)
        return Tally(usage=usage, complete=True)


def _decode(body: bytes) -> WireReply:
    wire = decode_answer(WireReply, body)
    if wire.message is not None:
        raise read_disguised(body)
    if wire.results is None:
        raise UpstreamGarbled("the upstream's answer has no results")
    return wire


def read_documents(documents: list[str | dict[str, Raw]]) -> tuple[str, ...]:
    """Documents as texts: that of a document that is nothing but a text, the JSON of any other object."""
    return tuple(given if isinstance(given, str) else _document_text(given) for given in documents)


def _document_text(document: dict[str, Raw]) -> str:
    text = document.get("text")
    if len(document) == 1 and text is not None and bytes(text).startswith(b'"'):
        return decode(str, bytes(text))
    return json.encode(document).decode()


def read_ranked(item: WireRanked) -> Ranked:
    document = item.document
    text = document.text if isinstance(document, WireDocument) else document
    return Ranked(index=item.index, relevance=item.relevance_score, document=text)


def write_ranked(item: Ranked, asked: Rerank | None) -> WireRanked:
    """One result; with its document when ``asked`` has it, or the upstream gave it."""
    text = None
    if asked is not None:
        known = asked.documents[item.index] if 0 <= item.index < len(asked.documents) else None
        text = item.document if item.document is not None else known
    document = None if text is None else WireDocument(text=text)
    return WireRanked(index=item.index, relevance_score=item.relevance, document=document)


def read_meta(meta: WireUsage | None) -> tuple[Usage | None, int | None]:
    """Tokens and searches; where searches are billed and no tokens are told, no token is billed."""
    if meta is None:
        return None, None
    searches = None if meta.billed_units is None else meta.billed_units.search_units
    if searches is None:
        return read_usage(meta), None
    return read_usage(meta) or Usage(), int(searches)


def write_meta(reply: Ranking) -> dict[str, object]:
    """What was billed: searches, or tokens where the upstream counts those."""
    if reply.searches is not None:
        return {"billed_units": {"search_units": reply.searches}}
    if reply.usage is None:
        return {}
    written = write_usage(reply.usage)
    billed = cast("dict[str, object]", written.pop("billed_units"))
    del written["tokens"], billed["output_tokens"]
    return {"billed_units": billed, **written}


DIALECTS: Final = (CohereRerank,)
