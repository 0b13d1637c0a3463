"""The simulator in the product's own dialects: what it writes, their readers understand."""

import pytest
from msgspec import Raw
from msgspec.structs import replace

from switchgear.kernel.chat import (
    Chat,
    ChoiceStop,
    Completion,
    Delta,
    Done,
    Event,
    Failure,
    Start,
    Text,
    Tool,
    ToolCall,
    UsageReport,
)
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import UpstreamError, UpstreamGarbled, UpstreamRefused, UpstreamTruncated
from switchgear.kernel.fold import fold
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.retrieval import Embed
from switchgear.kernel.upstream import ProviderSettings, Target, Timers, UpstreamReply
from switchgear.providers.simulator import MODELS, Simulator, SimulatorProvider
from switchgear.wire.bedrock_converse import BedrockConverse
from switchgear.wire.embeddings import OpenAIEmbeddings
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.openai_completions import OpenAICompletions
from switchgear.wire.openai_responses import OpenAIResponses
from switchgear.wire.registry import discover
from tests.providers.conftest import MOST_BYTES, Stage, say

CHAT_DIALECTS: tuple[Dialect, ...] = (OpenAIChat(), OpenAIResponses())
DIALECTS: tuple[Dialect, ...] = (*CHAT_DIALECTS, OpenAICompletions())
SPEAKING = [model.name for model in MODELS if model.fault is None and model.manner not in {"vectors", "ranks"}]
PLAIN_TEXT = [name for name in SPEAKING if name not in {"tools", "think", "refuse"}]
TOOL = Tool(
    name="weather", parameters=Raw(b'{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}')
)
ASKED = replace(say("hello there world"), max_output_tokens=1000)


class Studio:
    """A simulator that speaks the product's own dialects."""

    def __init__(self, stage: Stage) -> None:
        self._simulator = Simulator(
            discover(),
            clock=FrozenClock(),
            random_bits=seeded_bits(),
            sleep=stage.sleep,
        )
        self._provider = SimulatorProvider(ProviderSettings(name="sim"))

    async def send(self, operation: str, dialect: str, model: str, body: bytes) -> UpstreamReply:
        target = self._provider.target(operation, dialect, model)
        assert target is not None
        return await self.perform(target, body)

    async def perform(self, target: Target, body: bytes) -> UpstreamReply:
        return await self._simulator.send(target, body, Timers())

    async def body(self, dialect: Dialect, model: str, chat: Chat) -> bytes:
        reply = await self.send("chat", dialect.name, model, dialect.write_request(chat))
        return await reply.read_all(MOST_BYTES)

    async def whole(self, dialect: Dialect, model: str, chat: Chat) -> Completion:
        return dialect.read_reply(await self.body(dialect, model, chat))

    async def events(self, dialect: Dialect, model: str, chat: Chat) -> list[Event]:
        streamed = replace(chat, stream=True, include_usage=True)
        reader = dialect.events()
        told = reader.feed(await self.body(dialect, model, streamed))
        return [*told, *reader.close()]


@pytest.fixture
def studio(stage: Stage) -> Studio:
    return Studio(stage)


def name_of(dialect: Dialect) -> str:
    return dialect.name


def told(events: list[Event]) -> str:
    return "".join(each.text for each in events if isinstance(each, Delta) and each.kind != "signature")


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@pytest.mark.parametrize("model", PLAIN_TEXT)
async def test_plain_text_reads_the_same_whole_and_streamed(studio: Studio, dialect: Dialect, model: str) -> None:
    whole = await studio.whole(dialect, model, ASKED)
    events = await studio.events(dialect, model, ASKED)
    assert whole.choices[0].finish == next(each.finish for each in events if isinstance(each, ChoiceStop))
    assert whole.usage == [each.usage for each in events if isinstance(each, UsageReport)][-1]
    assert told(events) == "".join(getattr(part, "text", "") for part in whole.choices[0].parts)
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
async def test_every_answer_says_it_is_a_simulators(studio: Studio, dialect: Dialect) -> None:
    whole = await studio.whole(dialect, "echo", ASKED)
    start = (await studio.events(dialect, "echo", ASKED))[0]
    assert isinstance(start, Start)
    for said in (whole, start):
        assert said.id.startswith("sim-")
        assert said.model == "simulator/echo"


@pytest.mark.parametrize("dialect", CHAT_DIALECTS, ids=name_of)
async def test_tools_thoughts_and_refusals_pass_the_dialect(studio: Studio, dialect: Dialect) -> None:
    called = await studio.whole(dialect, "tools", replace(ASKED, tools=(TOOL, replace(TOOL, name="forecast"))))
    calls = [part for part in called.choices[0].parts if isinstance(part, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [("weather", '{"city":""}'), ("forecast", '{"city":""}')]
    assert called.choices[0].finish == "tool_calls"
    thought = await studio.whole(dialect, "think", ASKED)
    assert [type(part).__name__ for part in thought.choices[0].parts] == ["Thinking", "Text"]
    for model in ("tools", "think", "refuse"):
        events = await studio.events(dialect, model, replace(ASKED, tools=(TOOL,)))
        assert isinstance(events[-1], Done)
        assert told(events)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@pytest.mark.parametrize(
    ("model", "kind"),
    [("truncate", UpstreamTruncated), ("no-done", UpstreamTruncated), ("error-in-stream", UpstreamRefused)],
)
async def test_a_broken_stream_is_read_as_broken(
    studio: Studio, dialect: Dialect, model: str, kind: type[UpstreamError]
) -> None:
    last = (await studio.events(dialect, model, ASKED))[-1]
    assert isinstance(last, Failure)
    assert isinstance(last.error, kind)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
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
async def test_a_broken_answer_is_read_as_broken(
    studio: Studio, dialect: Dialect, model: str, kind: type[UpstreamError]
) -> None:
    body = await studio.body(dialect, model, ASKED)
    with pytest.raises(kind):
        dialect.glance(body)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@pytest.mark.parametrize("model", [model.name for model in MODELS if model.name.startswith(("error-4", "error-5"))])
async def test_errors_are_read_with_their_status(studio: Studio, dialect: Dialect, model: str) -> None:
    reply = await studio.send("chat", dialect.name, model, dialect.write_request(ASKED))
    error = dialect.read_error(reply.status, await reply.read_all(MOST_BYTES), None)
    assert f"error-{error.status}" == model
    assert error.message.startswith("the simulator was asked for status")


async def test_a_malformed_body_is_refused_in_the_dialect(studio: Studio) -> None:
    reply = await studio.send("chat", "openai_chat", "echo", b'{"model": 1}')
    assert reply.status == 400
    assert b'"error"' in await reply.read_all(MOST_BYTES)


@pytest.mark.parametrize("encoding_format", ["float", "base64", None])
async def test_embeddings_in_both_encodings(studio: Studio, encoding_format: str | None) -> None:
    dialect = OpenAIEmbeddings()
    request = Embed(model="embed", inputs=("one two", "three"), dimensions=16)
    body = dialect.write_request(request)
    if encoding_format is not None:
        body = body[:-1] + f',"encoding_format":"{encoding_format}"}}'.encode()
    reply = await studio.send("embeddings", "openai_embeddings", "embed", body)
    made = dialect.read_reply(await reply.read_all(MOST_BYTES))
    assert [len(vector) for vector in made.vectors] == [16, 16]
    assert sum(number * number for number in made.vectors[0]) == pytest.approx(1.0, abs=1e-5)
    assert made.usage is not None
    assert made.usage.total_input == 3


@pytest.mark.parametrize("streamed", [False, True])
async def test_where_a_body_cannot_ask_for_a_stream_the_path_does(studio: Studio, streamed: bool) -> None:
    dialect = BedrockConverse()
    target = SimulatorProvider(ProviderSettings(name="sim")).target("chat", dialect.name, "echo?tokens=3")
    assert target is not None
    asked = replace(target, path=target.stream_path) if streamed else target
    reply = await studio.perform(asked, dialect.write_request(ASKED))
    assert (b"content-type", dialect.stream_type) in reply.headers or not streamed
    body = await reply.read_all(MOST_BYTES)
    told = fold(dialect.events().feed(body)) if streamed else dialect.read_reply(body)
    assert told.choices[0].parts == (Text(text="hello there world"),)
