"""The simulator in Cohere's dialects and Jina's: what it writes, their readers understand."""

import pytest
from msgspec.structs import replace

from switchgear.kernel.chat import ChoiceStop, Delta, Done, Failure, UsageReport
from switchgear.kernel.errors import UpstreamError, UpstreamGarbled, UpstreamRefused, UpstreamTruncated
from switchgear.kernel.retrieval import Embed, Embeddings, Ranking, Rerank
from switchgear.providers.simulator import MODELS
from switchgear.wire.cohere_chat import CohereChat
from switchgear.wire.cohere_embed import CohereEmbed
from switchgear.wire.cohere_rerank import CohereRerank
from switchgear.wire.jina_rerank import JinaRerank
from tests.providers.conftest import MOST_BYTES, Stage
from tests.providers.test_simulator_dialects import ASKED, SPEAKING, TOOL, Studio

CHAT = CohereChat()
RERANK = Rerank(model="rerank", query="red fox", documents=("a blue bird", "the red fox", "a fox"), top=2)


@pytest.fixture
def studio(stage: Stage) -> Studio:
    return Studio(stage)


@pytest.mark.parametrize("model", SPEAKING)
async def test_an_answer_reads_the_same_whole_and_streamed(studio: Studio, model: str) -> None:
    asked = replace(ASKED, tools=(TOOL, replace(TOOL, name="forecast")))
    whole = await studio.whole(CHAT, model, asked)
    events = await studio.events(CHAT, model, asked)
    assert whole.choices[0].finish == next(each.finish for each in events if isinstance(each, ChoiceStop))
    assert whole.usage == [each.usage for each in events if isinstance(each, UsageReport)][-1]
    said = "".join(each.text for each in events if isinstance(each, Delta) and each.kind != "signature")
    parts = whole.choices[0].parts
    assert said == "".join(getattr(part, "text", "") + getattr(part, "arguments", "") for part in parts)
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize(
    ("model", "kind"),
    [("truncate", UpstreamTruncated), ("no-done", UpstreamTruncated), ("error-in-stream", UpstreamRefused)],
)
async def test_a_broken_stream_is_read_as_broken(studio: Studio, model: str, kind: type[UpstreamError]) -> None:
    last = (await studio.events(CHAT, model, ASKED))[-1]
    assert isinstance(last, Failure)
    assert isinstance(last.error, kind)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("html", UpstreamGarbled),
        ("empty", UpstreamGarbled),
        ("garbage", UpstreamGarbled),
        ("truncate", UpstreamGarbled),
        ("error-in-stream", UpstreamRefused),
    ],
)
async def test_a_broken_answer_is_read_as_broken(studio: Studio, model: str, kind: type[UpstreamError]) -> None:
    body = await studio.body(CHAT, model, ASKED)
    with pytest.raises(kind):
        CHAT.glance(body)


@pytest.mark.parametrize("model", [model.name for model in MODELS if model.name.startswith(("error-4", "error-5"))])
async def test_errors_are_read_with_their_status(studio: Studio, model: str) -> None:
    reply = await studio.send("chat", "cohere_chat", model, CHAT.write_request(ASKED))
    error = CHAT.read_error(reply.status, await reply.read_all(MOST_BYTES), None)
    assert f"error-{error.status}" == model
    assert error.message.startswith("the simulator was asked for status")


async def embedded(studio: Studio, model: str, asked: Embed) -> Embeddings:
    dialect = CohereEmbed()
    reply = await studio.send("embeddings", dialect.name, model, dialect.write_request(asked))
    return dialect.read_reply(await reply.read_all(MOST_BYTES))


async def test_embeddings_as_numbers_and_as_base64(studio: Studio) -> None:
    asked = Embed(model="embed", inputs=("one two", "three"), dimensions=16)
    numbers = await embedded(studio, "embed", asked)
    packed = await embedded(studio, "embed", replace(asked, encoding_format="base64"))
    assert [len(vector) for vector in numbers.vectors] == [16, 16]
    assert packed.vectors[0] == pytest.approx(numbers.vectors[0], abs=1e-6)
    assert numbers.usage is not None
    assert numbers.usage.total_input == 3


@pytest.mark.parametrize("dialect", [CohereRerank(), JinaRerank()], ids=lambda dialect: dialect.name)
async def test_documents_are_ranked(studio: Studio, dialect: CohereRerank | JinaRerank) -> None:
    reply = await studio.send("rerank", dialect.name, "rerank", dialect.write_request(RERANK))
    ranking: Ranking = dialect.read_reply(await reply.read_all(MOST_BYTES))
    assert [(result.index, result.relevance) for result in ranking.results] == [(1, 1.0), (2, 0.5)]
    assert ranking.searches == 1


@pytest.mark.parametrize(
    ("operation", "dialect", "model", "body"),
    [
        ("embeddings", "cohere_embed", "echo", b'{"model":"m","input_type":"search_query","texts":["a"]}'),
        ("rerank", "cohere_rerank", "echo", b'{"model":"m","query":"q","documents":["a"]}'),
        ("chat", "cohere_chat", "embed", b'{"model":"m","messages":[{"role":"user","content":"a"}]}'),
        ("chat", "cohere_chat", "echo", b'{"model":1}'),
    ],
)
async def test_what_a_model_cannot_do_is_refused_in_coheres_shape(
    studio: Studio, operation: str, dialect: str, model: str, body: bytes
) -> None:
    reply = await studio.send(operation, dialect, model, body)
    assert reply.status == 400
    assert b'"message":"' in await reply.read_all(MOST_BYTES)
