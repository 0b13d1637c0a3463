"""What each of the simulator's models says, whole and streamed."""

import pytest
from msgspec import Raw
from msgspec.json import decode
from msgspec.structs import replace

from switchgear.kernel.chat import (
    Chat,
    ChoiceStop,
    Completion,
    Delta,
    Done,
    Image,
    Media,
    Message,
    Part,
    PartStart,
    Refusal,
    ResponseFormat,
    Start,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
    UsageReport,
)
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.providers.simulator import MODELS
from tests.providers.canonical_dialect import encoded, read_lines
from tests.providers.conftest import MOST_BYTES, Stage, say

SCHEMA = Raw(
    b'{"type":"object","required":["city","days"],"properties":{"city":{"type":"string"},"days":{"type":"integer",'
    b'"minimum":2},"note":{"type":"string"}}}'
)
WEATHER = Tool(name="weather", parameters=SCHEMA)
CLOCK = Tool(name="clock")


async def completed(stage: Stage, model: str, chat: Chat) -> Completion:
    return decode(await stage.whole(model, chat), type=Completion)


async def parts_of(stage: Stage, model: str, chat: Chat) -> tuple[Part, ...]:
    return (await completed(stage, model, chat)).choices[0].parts


async def text_of(stage: Stage, model: str, chat: Chat) -> str:
    (part,) = await parts_of(stage, model, chat)
    assert isinstance(part, Text)
    return part.text


async def test_echo_repeats_the_last_words_of_the_user_and_says_it_is_a_simulator(stage: Stage) -> None:
    reply = await completed(stage, "echo", say("one  two\nthree"))
    assert reply.choices[0].parts == (Text(text="one  two\nthree"),)
    assert reply.choices[0].finish == "stop"
    assert reply.usage == Usage(input=3, output=3)
    assert (reply.model, reply.system_fingerprint) == ("simulator/echo", "simulator")
    assert reply.id.startswith("sim-")


ANSWERING = [each.name for each in MODELS if each.fault is None and each.manner not in {"vectors", "ranks"}]


@pytest.mark.parametrize("model", ANSWERING)
async def test_a_stream_says_the_same_as_the_whole_answer(stage: Stage, model: str) -> None:
    chat = replace(say("please tell me"), tools=(WEATHER, CLOCK))
    whole = await completed(stage, model, chat)
    raw = await stage.whole(model, replace(chat, stream=True, include_usage=True))
    told = read_lines(raw)
    spoken = [each.text for each in told if isinstance(each, Delta) and each.kind != "signature"]
    expected = "".join(
        part.arguments if isinstance(part, ToolCall) else part.text
        for part in whole.choices[0].parts
        if isinstance(part, Text | Thinking | Refusal | ToolCall)
    )
    assert "".join(spoken) == expected
    assert isinstance(told[0], Start)
    assert isinstance(told[-1], Done)
    assert [each.finish for each in told if isinstance(each, ChoiceStop)] == [whole.choices[0].finish]
    reports = [each.usage for each in told if isinstance(each, UsageReport)]
    assert reports == [whole.usage]
    assert reports[0].total_output == len(spoken)


async def test_a_stream_brings_one_token_to_a_read(stage: Stage) -> None:
    reply = await stage.ask("echo", say("one two three", stream=True))
    reads: list[bytes] = []
    while data := await reply.read():
        reads.append(data)
    assert [len(read_lines(data)) for data in reads] == [1] * len(reads)
    assert [each.text for data in reads for each in read_lines(data) if isinstance(each, Delta)] == [
        "one",
        " two",
        " three",
    ]


async def test_usage_is_streamed_only_when_asked_for(stage: Stage) -> None:
    raw = await stage.whole("echo", replace(say("hi"), stream=True))
    assert not [each for each in read_lines(raw) if isinstance(each, UsageReport)]


async def test_the_length_of_the_text_can_be_chosen(stage: Stage) -> None:
    assert await text_of(stage, "echo?tokens=5", say("a b")) == "a b a b a"
    assert len((await text_of(stage, "lorem", say("x"))).split()) == 64


async def test_the_limit_on_output_tokens_cuts_the_answer(stage: Stage) -> None:
    reply = await completed(stage, "echo", replace(say("one two three"), max_output_tokens=2))
    assert reply.choices[0].parts == (Text(text="one two"),)
    assert reply.choices[0].finish == "length"
    assert reply.usage == Usage(input=3, output=2)


async def test_thoughts_count_towards_the_limit(stage: Stage) -> None:
    reply = await completed(stage, "think", replace(say("one two"), max_output_tokens=4))
    assert [type(part) for part in reply.choices[0].parts] == [Thinking]
    assert reply.usage == Usage(input=2, reasoning=4)


async def test_the_earliest_stop_sequence_ends_the_answer(stage: Stage) -> None:
    reply = await completed(stage, "echo", replace(say("one two three"), stop=("three", " two")))
    choice = reply.choices[0]
    assert (choice.parts, choice.finish, choice.stop_sequence) == ((Text(text="one"),), "stop_sequence", " two")


async def test_several_choices_are_the_same_answer_several_times(stage: Stage) -> None:
    reply = await completed(stage, "echo", replace(say("hi"), choices=3))
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert reply.usage == Usage(input=1, output=3)


@pytest.mark.parametrize("choices", [0, 17])
async def test_an_absurd_number_of_choices_is_refused(stage: Stage, choices: int) -> None:
    assert (await stage.ask("echo", replace(say("hi"), choices=choices))).status == 400


async def test_tools_calls_every_tool_with_arguments_that_fit_its_schema(stage: Stage) -> None:
    reply = await completed(stage, "tools", replace(say("go"), tools=(WEATHER, CLOCK)))
    calls = [part for part in reply.choices[0].parts if isinstance(part, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [("weather", '{"city":"","days":2}'), ("clock", "{}")]
    assert len({call.id for call in calls}) == len(calls)
    assert reply.choices[0].finish == "tool_calls"


async def test_tools_obeys_the_choice_of_tools(stage: Stage) -> None:
    offered = replace(say("go"), tools=(WEATHER, CLOCK))
    named = await parts_of(stage, "tools", replace(offered, tool_choice=ToolChoice(mode="named", name="clock")))
    assert [part.name for part in named if isinstance(part, ToolCall)] == ["clock"]
    alone = await parts_of(stage, "tools", replace(offered, parallel_tool_calls=False))
    assert [part.name for part in alone if isinstance(part, ToolCall)] == ["weather"]
    none = await parts_of(stage, "tools", replace(offered, tool_choice=ToolChoice(mode="none")))
    assert none == (Text(text="I was offered no tools."),)
    unknown = replace(offered, tool_choice=ToolChoice(mode="named", name="missing"))
    assert (await stage.ask("tools", unknown)).status == 400


async def test_tools_speaks_of_the_results_in_their_order(stage: Stage) -> None:
    results = tuple(ToolResult(call_id=name, content=(Text(text=name),)) for name in ("first", "second"))
    turns = (*say("go").messages, Message(role="assistant", parts=()), Message(role="tool", parts=results))
    chat = replace(say("go"), tools=(WEATHER,), messages=turns)
    assert await text_of(stage, "tools", chat) == "The tools answered: first; second"


async def test_thoughts_are_signed_and_must_come_back_unchanged(stage: Stage) -> None:
    thought, said = await parts_of(stage, "think", say("why"))
    assert isinstance(thought, Thinking)
    assert thought.signature
    assert said == Text(text="why")
    again = (*say("why").messages, Message(role="assistant", parts=(thought, said)), *say("go on").messages)
    assert (await stage.ask("think", replace(say("x"), messages=again))).status == 200
    changed = Message(role="assistant", parts=(replace(thought, text="something else"),))
    assert (await stage.ask("think", replace(say("x"), messages=(changed,)))).status == 400


async def test_json_obeys_the_response_format(stage: Stage) -> None:
    wanted = ResponseFormat(kind="json_schema", schema=SCHEMA)
    assert await text_of(stage, "json", replace(say("x"), response_format=wanted)) == '{"city":"","days":2}'
    loose = ResponseFormat(kind="json_object")
    assert await text_of(stage, "json", replace(say("x"), response_format=loose)) == "{}"


async def test_image_says_which_media_came(stage: Stage) -> None:
    picture = Image(source=Media(data="QUJD", media_type="image/png"))
    link = Image(source=Media(url="https://pictures.example/1"))
    message = Message(role="user", parts=(Text(text="look"), picture, link))
    assert await text_of(stage, "image", replace(say("x"), messages=(message,))) == (
        "I was sent 2 media: image (image/png, 4 base64 characters); image (unknown type, https://pictures.example/1)"
    )
    assert await text_of(stage, "image", say("x")) == "I was sent no media."


async def test_refuse_and_length_end_as_their_names_say(stage: Stage) -> None:
    refused = (await completed(stage, "refuse", say("x"))).choices[0]
    assert ([type(part) for part in refused.parts], refused.finish) == ([Refusal], "refusal")
    assert (await completed(stage, "length", say("x"))).choices[0].finish == "length"


async def test_no_usage_tells_none_in_either_way(stage: Stage) -> None:
    assert (await completed(stage, "no-usage", say("x"))).usage is None
    told = read_lines(await stage.whole("no-usage", say("x", stream=True)))
    assert not [each for each in told if isinstance(each, UsageReport)]
    assert [each.usage for each in told if isinstance(each, Start)] == [None]


async def embedded(stage: Stage, request: Embed, model: str = "embed") -> Embeddings:
    reply = await stage.send(model, encoded(request), "embeddings")
    return decode(await reply.read_all(MOST_BYTES), type=Embeddings)


async def test_embeddings_are_deterministic_unit_vectors(stage: Stage) -> None:
    reply = await embedded(stage, Embed(model="any", inputs=("one two", "three", "one two", (1, 2))))
    first, second, third, fourth = reply.vectors
    assert first == third
    assert len({first, second, fourth}) == 3
    assert {len(vector) for vector in reply.vectors} == {256}
    assert sum(number * number for number in first) == pytest.approx(1.0)
    assert reply.usage == Usage(input=7)


async def test_embeddings_have_the_dimensions_asked_for(stage: Stage) -> None:
    reply = await embedded(stage, Embed(model="any", inputs=("x",), dimensions=8))
    assert len(reply.vectors[0]) == 8


@pytest.mark.parametrize("dimensions", [0, -1, 1_000_000])
async def test_absurd_dimensions_are_refused(stage: Stage, dimensions: int) -> None:
    body = encoded(Embed(model="any", inputs=("x",), dimensions=dimensions))
    assert (await stage.send("embed", body, "embeddings")).status == 400


async def test_a_model_does_only_what_it_is_for(stage: Stage) -> None:
    assert (await stage.ask("embed")).status == 400
    assert (await stage.send("echo", encoded(Embed(model="any", inputs=("x",))), "embeddings")).status == 400


async def test_tool_parts_are_named_when_they_open(stage: Stage) -> None:
    raw = await stage.whole("tools", replace(say("x", stream=True), tools=(CLOCK,)))
    opened = [each for each in read_lines(raw) if isinstance(each, PartStart)]
    assert [(each.kind, each.tool_name) for each in opened] == [("tool_call", "clock")]
