"""A stream and a whole answer tell the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

from switchgear.kernel.chat import (
    Audio,
    Choice,
    ChoiceStop,
    Completion,
    Delta,
    Done,
    Event,
    Failure,
    Image,
    Logprobs,
    Media,
    PartStart,
    PartStop,
    Ping,
    RedactedThinking,
    Start,
    Text,
    Usage,
    UsageReport,
)
from switchgear.kernel.errors import Internal, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.fold import fold, unfold
from tests.wire.strategies import completions, streamed

START = Start(id="c", model="m")


@given(completions(), st.integers(1, 9))
def test_folding_what_was_unfolded_gives_the_answer_back(completion: Completion, size: int) -> None:
    assert fold(unfold(completion)) == completion
    assert fold(streamed(completion, size)) == completion


@given(completions())
def test_unfolding_what_was_folded_gives_the_events_back(completion: Completion) -> None:
    events = unfold(completion)
    assert unfold(fold(events)) == events


def test_parts_of_every_kind_survive() -> None:
    parts = (
        RedactedThinking(data="opaque"),
        Text(text="See", citations=Raw(b'[{"type":"a"},{"type":"b"}]')),
        Audio(id="audio_1", data="UklG", transcript="Hi"),
    )
    completion = Completion(
        id="c", model="m", choices=(Choice(parts=parts, finish="stop_sequence", stop_sequence="X"),)
    )
    assert fold(unfold(completion)) == completion


def test_parts_that_interleave_come_out_in_their_order() -> None:
    events: list[Event] = [
        START,
        PartStart(part=0, kind="tool_call", tool_id="a", tool_name="f"),
        PartStart(part=1, kind="tool_call", tool_id="b", tool_name="g"),
        Delta(part=1, kind="arguments", text="1"),
        Delta(part=0, kind="arguments", text="2"),
        PartStop(part=0),
        PartStop(part=1),
        ChoiceStop(finish="tool_calls"),
        Done(),
    ]
    assert [getattr(part, "arguments", None) for part in fold(events).choices[0].parts] == ["2", "1"]


def test_a_later_usage_replaces_an_earlier_one() -> None:
    started = structs.replace(START, usage=Usage(input=3))
    events: list[Event] = [started, Ping(), UsageReport(usage=Usage(input=3, output=9)), Done()]
    assert fold(events).usage == Usage(input=3, output=9)


def test_log_probabilities_of_a_choice_are_joined() -> None:
    found = (b'{"content":[1],"refusal":null}', b'{"content":[2],"refusal":[3]}', b'{"content":null}')
    events: list[Event] = [START, *(Logprobs(value=Raw(value)) for value in found), Done()]
    assert fold(events).choices[0].logprobs == Raw(b'{"content":[1,2],"refusal":[3]}')


def test_a_failure_is_raised() -> None:
    error = UpstreamTimeout("silent", phase="idle")
    with pytest.raises(UpstreamTimeout) as raised:
        fold([START, Failure(error=error)])
    assert raised.value is error


def test_a_stream_that_is_not_done_is_truncated() -> None:
    with pytest.raises(UpstreamTruncated):
        fold([START])


def test_a_part_that_no_stream_can_tell_is_a_defect() -> None:
    image = Image(source=Media(url="https://example.com/a.png"))
    with pytest.raises(Internal):
        unfold(Completion(id="c", model="m", choices=(Choice(parts=(image,)),)))
