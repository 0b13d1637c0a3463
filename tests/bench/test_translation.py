"""The bench's mock speaks Anthropic's dialect, so that translation can be measured against it."""

import shutil

import pytest

from bench.machine import plan_cores
from bench.payloads import chat_body, stream_wishes
from bench.programs import Mock, compile_programs
from bench.scenarios import CHUNKS
from bench.translation import MESSAGES_PATH, call_parts, chunk_parts, said_by
from switchgear.kernel.chat import Delta, Done, Text
from switchgear.wire.anthropic import Anthropic

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, by the name of cc"),
    pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset, of util-linux"),
]


def test_the_mock_answers_whole_and_in_pieces_as_anthropic_does() -> None:
    compile_programs()
    with Mock(plan_cores()) as mock:
        whole = said_by(mock.port, MESSAGES_PATH, chat_body("bench"))
        stream = said_by(mock.port, MESSAGES_PATH, chat_body("bench", stream_wishes(CHUNKS), stream=True))
    (part,) = Anthropic().read_reply(whole).choices[0].parts
    assert isinstance(part, Text)
    assert part.text.startswith("A switchgear is")
    events = Anthropic().events().feed(stream)
    assert sum(isinstance(event, Delta) for event in events) == CHUNKS
    assert events[-1] == Done()


def test_each_function_of_a_translation_has_its_cost() -> None:
    compile_programs()
    with Mock(plan_cores()) as mock:
        parts, (translated, relayed) = call_parts(mock.port, times=10), chunk_parts(mock.port, times=10)
    assert {name for name, (cost, _) in parts.items() if cost > 0} == {
        "read_request", "write_request", "glance", "read_reply", "write_reply",
    }  # fmt: skip
    assert {name for name, (_, cost) in parts.items() if cost > 0} == {"prepare", "glance"}
    assert translated > 0
    assert relayed > 0
