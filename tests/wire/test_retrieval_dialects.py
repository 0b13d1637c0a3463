"""Embeddings and reranking between vendors: OpenAI's and Cohere's vectors, Jina's and Cohere's rankings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.retrieval import Embed, Embeddings, Ranked, Ranking, Rerank
from switchgear.wire.bedrock_titan_embeddings import BedrockTitanEmbeddings
from switchgear.wire.cohere_embed import CohereEmbed
from switchgear.wire.cohere_rerank import CohereRerank
from switchgear.wire.embeddings import EncodingFormat, OpenAIEmbeddings
from switchgear.wire.gemini_embeddings import GeminiEmbedContent
from switchgear.wire.jina_rerank import JinaRerank
from tests.wire.strategies import counts, maybe, texts, words

OPENAI = OpenAIEmbeddings()
COHERE = CohereEmbed()
COHERE_RERANK = CohereRerank()
JINA = JinaRerank()
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
FORMATS: tuple[EncodingFormat | None, ...] = (None, "float", "base64")
VECTORS = ((1.0, -2.5), (0.25, 0.5))


Embedder = OpenAIEmbeddings | CohereEmbed | GeminiEmbedContent | BedrockTitanEmbeddings


def body(dialect: Embedder, embed: Embed) -> dict[str, Any]:
    return json.decode(dialect.write_request(embed))


def vectors(count: int) -> tuple[tuple[float, ...], ...]:
    return tuple((float(at), 0.5) for at in range(count))


# ---------------------------------------------------------------------------------------------------------- embeddings

EMBEDS = st.builds(
    Embed,
    model=words,
    inputs=st.lists(texts, min_size=1, max_size=3).map(tuple),
    dimensions=maybe(st.integers(1, 1536)),
    encoding_format=st.sampled_from(FORMATS),
    purpose=st.sampled_from(["search_query", "search_document", "classification", "clustering"]),
)


@given(EMBEDS)
def test_a_request_of_coheres_that_is_written_is_read_back_the_same(embed: Embed) -> None:
    assert COHERE.read_request(COHERE.write_request(embed)) == embed


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=4).map(tuple), max_size=3).map(tuple), counts)
def test_vectors_of_coheres_survive_as_numbers_and_as_base64(found: tuple[tuple[float, ...], ...], read: int) -> None:
    reply = Embeddings(id="i", model="", vectors=found, usage=Usage(input=read))
    for encoding_format in FORMATS:
        asked = Embed(model="m", inputs=("a",), encoding_format=encoding_format)
        assert COHERE.read_reply(COHERE.write_reply(reply, asked)) == reply


def test_a_client_of_openais_reaches_cohere() -> None:
    asked = OPENAI.read_request(
        b'{"model":"m","input":["a","b"],"dimensions":256,"encoding_format":"base64",'
        b'"input_type":"search_query","truncate":"END"}'
    )
    assert body(COHERE, asked) == {
        "input_type": "search_query",
        "model": "m",
        "texts": ["a", "b"],
        "output_dimension": 256,
        "embedding_types": ["base64"],
        "truncate": "END",
    }


def test_what_vectors_are_for_is_documents_unless_said() -> None:
    asked = OPENAI.read_request(b'{"model":"m","input":"a"}')
    assert body(COHERE, asked) == {"model": "m", "input_type": "search_document", "texts": ["a"]}


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_coheres_vectors_come_to_a_client_of_openais_as_it_asked_for_them(encoding_format: EncodingFormat) -> None:
    asked = Embed(model="cohere/embed-v4.0", inputs=("a", "b"), encoding_format=encoding_format)
    answer = COHERE.write_reply(Embeddings(id="i", model="", vectors=VECTORS, usage=Usage(input=7)), asked)
    told: dict[str, Any] = json.decode(OPENAI.write_reply(COHERE.read_reply(answer), asked))
    assert isinstance(told["data"][0]["embedding"], str) == (encoding_format == "base64")
    assert (told["model"], told["usage"]) == ("cohere/embed-v4.0", {"prompt_tokens": 7, "total_tokens": 7})
    assert OPENAI.read_reply(json.encode(told)).vectors == VECTORS


def test_a_client_of_coheres_reaches_openai_and_gets_its_texts_back() -> None:
    asked = COHERE.read_request(
        b'{"model":"m","input_type":"search_query","texts":["a","b"],"output_dimension":256,"embedding_types":["float"]}'
    )
    assert body(OPENAI, asked) == {
        "model": "m",
        "input": ["a", "b"],
        "dimensions": 256,
        "encoding_format": "float",
    }
    answer = OPENAI.write_reply(Embeddings(model="m", vectors=VECTORS, usage=Usage(input=7)))
    assert json.decode(COHERE.write_reply(OPENAI.read_reply(answer), asked)) == {
        "id": "",
        "embeddings": {"float": [[1.0, -2.5], [0.25, 0.5]]},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}},
        "response_type": "embeddings_by_type",
        "texts": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("given_body", "param"),
    [
        (b'{"model":"m","input":[1,2,3]}', "input[0]"),
        (b'{"model":"m","input":[[1,2],[3]]}', "input[0]"),
        (b'{"model":"m","input":"a","user":"u"}', "user"),
        (b'{"model":"m","input":"a","made_up":1}', "made_up"),
    ],
)
def test_what_cohere_cannot_embed_or_be_told_is_refused_by_openais_name_for_it(given_body: bytes, param: str) -> None:
    with pytest.raises(UnsupportedField) as refused:
        COHERE.write_request(OPENAI.read_request(given_body))
    assert refused.value.param == param


def test_what_cohere_alone_understands_of_a_ranking_reaches_nobody_else() -> None:
    asked = COHERE_RERANK.read_request(b'{"model":"m","query":"q","documents":["a"],"priority":1}')
    with pytest.raises(UnsupportedField) as refused:
        JinaRerank().write_request(asked)
    assert refused.value.param == "priority"
    assert json.decode(COHERE_RERANK.write_request(asked))["priority"] == 1


def test_vectors_for_similarity_alone_are_refused() -> None:
    with pytest.raises(UnsupportedField) as refused:
        COHERE.write_request(Embed(model="m", inputs=("a",), purpose="similarity"))
    assert refused.value.param == "taskType"


@pytest.mark.parametrize(
    ("dialect", "given_body", "field"),
    [
        (CohereEmbed(), b'{"model":"m","texts":["a"],"truncate":"END"}', "truncate"),
        (CohereEmbed(), b'{"model":"m","texts":["a"],"priority":1}', "priority"),
        (GeminiEmbedContent(), b'{"content":{"parts":[{"text":"a"}]},"title":"t"}', "title"),
        (GeminiEmbedContent(), b'{"content":{"parts":[{"text":"a"}]},"taskType":"CODE_RETRIEVAL_QUERY"}', "taskType"),
        (BedrockTitanEmbeddings(), b'{"inputText":"a","normalize":false}', "normalize"),
    ],
)
def test_what_one_vendor_alone_understands_reaches_no_server_of_openais_dialect(
    dialect: Embedder, given_body: bytes, field: str
) -> None:
    asked = dialect.read_request(given_body)
    with pytest.raises(UnsupportedField) as refused:
        OPENAI.write_request(asked)
    assert refused.value.param == field
    assert field in body(dialect, asked)


# ----------------------------------------------------------------------------------------------------------- reranking

RERANKS = st.builds(
    Rerank,
    model=words,
    query=texts,
    documents=st.lists(texts, max_size=3).map(tuple),
    top=maybe(st.integers(1, 9)),
)
RESULTS = st.lists(st.tuples(st.floats(0, 1), maybe(texts)), max_size=4).map(
    lambda found: tuple(
        Ranked(index=at, relevance=relevance, document=document)
        for at, (relevance, document) in enumerate(sorted(found, key=lambda item: -item[0]))
    )
)


@given(RERANKS, maybe(st.integers(1, 4096)))
def test_a_request_to_cohere_that_is_written_is_read_back_the_same(rerank: Rerank, limit: int | None) -> None:
    asked = Rerank(
        model=rerank.model,
        query=rerank.query,
        documents=rerank.documents,
        top=rerank.top,
        max_tokens_per_document=limit,
    )
    assert COHERE_RERANK.read_request(COHERE_RERANK.write_request(asked)) == asked


@given(RERANKS, maybe(st.booleans()), maybe(words))
def test_a_request_to_jina_that_is_written_is_read_back_the_same(
    rerank: Rerank, documents: bool | None, user: str | None
) -> None:
    asked = Rerank(
        model=rerank.model,
        query=rerank.query,
        documents=rerank.documents,
        top=rerank.top,
        return_documents=documents,
        user=user,
    )
    assert JINA.read_request(JINA.write_request(asked)) == asked


@given(RESULTS, counts)
def test_a_ranking_of_jinas_that_is_written_is_read_back_the_same(results: tuple[Ranked, ...], read: int) -> None:
    asked = Rerank(model="m", query="q", documents=())
    reply = Ranking(id="i", model="m", results=results, usage=Usage(input=read))
    assert JINA.read_reply(JINA.write_reply(reply, asked)) == reply


RANKED = (Ranked(index=1, relevance=0.9), Ranked(index=0, relevance=0.1))


def test_coheres_ranking_comes_to_a_client_of_jinas_with_the_documents_it_sent() -> None:
    asked = JINA.read_request(b'{"model":"cohere/rerank-v4","query":"q","documents":["a",{"text":"b"}],"top_n":2}')
    assert json.decode(COHERE_RERANK.write_request(asked)) == {
        "model": "cohere/rerank-v4",
        "query": "q",
        "documents": ["a", "b"],
        "top_n": 2,
    }
    answer = COHERE_RERANK.write_reply(Ranking(id="i", model="", results=RANKED, searches=1))
    assert json.decode(JINA.write_reply(COHERE_RERANK.read_reply(answer), asked)) == {
        "id": "i",
        "model": "cohere/rerank-v4",
        "results": [
            {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
        ],
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
        "meta": {"billed_units": {"search_units": 1}},
    }


def test_jinas_ranking_comes_to_a_client_of_coheres_with_tokens_as_what_was_billed() -> None:
    asked = COHERE_RERANK.read_request(b'{"model":"m","query":"q","documents":["a","b"]}')
    answer = JINA.write_reply(Ranking(id="i", model="bge", results=RANKED, usage=Usage(input=8)), asked)
    assert json.decode(COHERE_RERANK.write_reply(JINA.read_reply(answer), asked)) == {
        "id": "i",
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 8}},
    }


@pytest.mark.parametrize(("wanted", "shown"), [(True, True), (False, False), (None, True)])
def test_documents_are_in_jinas_answer_unless_refused(wanted: bool | None, shown: bool) -> None:
    asked = Rerank(model="m", query="q", documents=("a", "b"), return_documents=wanted)
    told: dict[str, Any] = json.decode(JINA.write_reply(Ranking(model="m", results=RANKED), asked))
    assert all(("document" in item) == shown for item in told["results"])
    assert told["usage"]["estimated"] is True


def test_documents_are_in_coheres_answer_only_when_asked_for() -> None:
    for wanted in (True, False, None):
        asked = Rerank(model="m", query="q", documents=("a", "b"), return_documents=wanted)
        told: dict[str, Any] = json.decode(COHERE_RERANK.write_reply(Ranking(model="m", results=RANKED), asked))
        assert [item.get("document") for item in told["results"]] == (
            [{"text": "b"}, {"text": "a"}] if wanted else [None, None]
        )


def test_an_index_that_no_document_has_gets_none() -> None:
    asked = Rerank(model="m", query="q", documents=("a",))
    told: dict[str, Any] = json.decode(JINA.write_reply(Ranking(model="m", results=RANKED), asked))
    assert "document" not in told["results"][0]


@pytest.mark.parametrize(
    ("rerank", "param"),
    [
        (Rerank(model="m", query="q", documents=(), user="u"), "user"),
        (JINA.read_request(b'{"model":"m","query":"q","documents":[],"truncate_prompt_tokens":1}'),
         "truncate_prompt_tokens"),
    ],
)  # fmt: skip
def test_what_cohere_cannot_be_told_of_a_ranking_is_refused_by_name(rerank: Rerank, param: str) -> None:
    with pytest.raises(UnsupportedField) as refused:
        COHERE_RERANK.write_request(rerank)
    assert refused.value.param == param


def test_a_limit_on_the_tokens_of_a_document_is_refused_where_it_is_not_known() -> None:
    with pytest.raises(UnsupportedField) as refused:
        JINA.write_request(Rerank(model="m", query="q", documents=(), max_tokens_per_document=9))
    assert refused.value.param == "max_tokens_per_doc"


def test_images_are_not_ranked_as_if_they_were_texts() -> None:
    with pytest.raises(UnsupportedField) as refused:
        JINA.read_request(b'{"model":"m","query":"q","documents":["a",{"image":"https://example.com/a.png"}]}')
    assert refused.value.param == "documents[1].image"
