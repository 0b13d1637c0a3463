"""What is around Converse: Titan's embeddings, and the whole stream as botocore's own parser reads it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json

from switchgear.kernel.chat import Ping, Usage
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import UnsupportedField, UpstreamGarbled
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.wire.bedrock_converse import BedrockConverse
from switchgear.wire.bedrock_titan_embeddings import BedrockTitanEmbeddings
from switchgear.wire.embeddings import OpenAIEmbeddings
from tests.amazon import boto3, eventstream, parsers
from tests.wire.strategies import maybe, streamed, texts
from tests.wire.test_cross_dialect import ANSWER

TITAN = BedrockTitanEmbeddings()
CONVERSE = BedrockConverse()
EMBEDS = st.builds(
    Embed,
    model=st.just(""),
    inputs=st.tuples(texts),
    dimensions=maybe(st.integers(1, 1024)),
    own=st.sampled_from([(), (("normalize", Raw(b"false")),)]),
)
VECTORS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5).map(tuple)


@given(EMBEDS)
def test_a_text_to_embed_that_is_written_is_read_back_the_same(embed: Embed) -> None:
    assert TITAN.read_request(TITAN.write_request(embed)) == embed


@given(VECTORS, st.integers(0, 10_000))
def test_a_vector_that_is_written_is_read_back_the_same(vector: tuple[float, ...], tokens: int) -> None:
    reply = Embeddings(model="", vectors=(vector,), usage=Usage(input=tokens))
    assert TITAN.read_reply(TITAN.write_reply(reply)) == reply


def test_a_vector_is_told_by_its_type_to_who_asked_for_a_type() -> None:
    asked = TITAN.read_request(b'{"inputText":"a","embeddingTypes":["float"]}')
    told: dict[str, Any] = json.decode(TITAN.write_reply(Embeddings(model="", vectors=((0.5,),)), asked))
    assert told["embeddingsByType"] == {"float": [0.5]}


def test_openais_client_gets_titans_vector_in_its_own_encoding() -> None:
    openai = OpenAIEmbeddings()
    asked = openai.read_request(b'{"model":"m","input":"Hi","encoding_format":"base64","dimensions":2}')
    assert json.decode(TITAN.write_request(asked)) == {"inputText": "Hi", "dimensions": 2}
    reply = TITAN.read_reply(b'{"embedding":[0.5,-0.25],"inputTextTokenCount":3}')
    again = openai.read_reply(openai.write_reply(reply, asked))
    assert (again.vectors, again.usage) == (((0.5, -0.25),), Usage(input=3))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"m","input":["a","b"]}', "input"),
        (b'{"model":"m","input":[1,2]}', "input"),
        (b'{"model":"m","input":"a","user":"u"}', "user"),
        (b'{"model":"m","input":"a","truncate":true}', "truncate"),
    ],
)
def test_what_titan_cannot_say_is_refused_by_name(body: bytes, param: str) -> None:
    with pytest.raises(UnsupportedField) as refused:
        TITAN.write_request(OpenAIEmbeddings().read_request(body))
    assert refused.value.param == param


def test_two_vectors_are_no_answer_of_titans() -> None:
    with pytest.raises(UpstreamGarbled):
        TITAN.write_reply(Embeddings(model="", vectors=((0.5,), (0.5,))))


class Body:
    """What botocore reads a stream from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> list[bytes]:
        return [self._data]

    def close(self) -> None:
        """Nothing is open."""


def heard_by_botocore(data: bytes) -> list[dict[str, Any]]:
    client = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    operation = client.meta.service_model.operation_model("ConverseStream")
    client.close()
    parser = parsers.RestJSONParser()._event_stream_parser
    return list(eventstream.EventStream(Body(data), operation.get_event_stream_output(), parser, "ConverseStream"))


def test_botocore_reads_every_event_and_passes_over_signs_of_life() -> None:
    writer = CONVERSE.writer(StreamOptions())
    stream = b"".join(writer.write(event) + writer.write(Ping()) for event in streamed(ANSWER, 4))
    assert CONVERSE.keepalive in stream
    events = heard_by_botocore(stream)
    assert next(iter(events[0])) == "messageStart"
    assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta.get("text", "") for delta in deltas) == "Looking."
    assert b"".join(delta.get("reasoningContent", {}).get("redactedContent", b"") for delta in deltas) == b"encrypted"
    calls = [event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event]
    assert [call["name"] for call in calls] == ["tool_0", "tool_1", "tool_2"]
