"""A field of a request is written for the other dialect, or refused by its name: it is never dropped in silence."""

import pytest
from msgspec import json

from switchgear.kernel.chat import Chat
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.openai_completions import OpenAICompletions
from tests.wire.foreign_fields import PLAIN, requests

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (OpenAIChat(), OpenAICompletions(), Anthropic())}
PAIRS = [(source, target) for source in DIALECTS for target in DIALECTS if source != target]
CASES = [(source, target, field) for source, target in PAIRS for field in requests(source)]
MEAN_NOTHING = {
    # What the gateway itself answers, whatever the upstream can do.
    ("openai_chat", "anthropic", "stream_options"),
    ("openai_chat", "openai_completions", "stream_options"),
    ("openai_completions", "openai_chat", "stream_options"),
    ("openai_completions", "anthropic", "stream_options"),
    # Which of the tools, and how many at once: without tools there is nothing to choose.
    ("openai_chat", "anthropic", "parallel_tool_calls"),
}
OTHER_WORDS = {
    "function_call": "tool_choice",
    "functions": "tools",
    "output_config": "reasoning_effort",
    "output_format": "response_format",
    "system": "messages",
    "thinking": "reasoning_effort",
}
"""What a text completion refuses, it refuses by the names that OpenAI's chats have for it."""


def written_or_refused(target: Dialect, chat: Chat) -> bytes | UnsupportedField:
    try:
        return target.write_request(chat)
    except UnsupportedField as refused:
        return refused


@pytest.mark.parametrize(("source", "target", "field"), CASES, ids=map("-".join, CASES))
def test_a_field_is_carried_or_refused_by_its_name(source: str, target: str, field: str) -> None:
    without = DIALECTS[target].write_request(DIALECTS[source].read_request(json.encode(PLAIN[source])))
    chat = DIALECTS[source].read_request(json.encode(requests(source)[field]))
    written = written_or_refused(DIALECTS[target], chat)
    if isinstance(written, UnsupportedField):
        assert written.param in {field, OTHER_WORDS.get(field)}
        assert written.message.startswith(f"{written.param}: ")
    else:
        assert (written == without) is ((source, target, field) in MEAN_NOTHING)


@pytest.mark.parametrize("target", ["openai_chat", "openai_completions"])
@pytest.mark.parametrize("field", ["n", "seed", "logit_bias", "stream_options"])
def test_a_name_that_means_nothing_to_the_client_takes_no_meaning_on_at_the_upstream(target: str, field: str) -> None:
    chat = DIALECTS["anthropic"].read_request(json.encode(requests("anthropic")[field]))
    with pytest.raises(UnsupportedField) as refused:
        DIALECTS[target].write_request(chat)
    assert refused.value.param == field


def test_a_servers_own_field_reaches_it_through_another_dialect() -> None:
    chat = DIALECTS["anthropic"].read_request(json.encode(requests("anthropic")["min_p"]))
    assert json.decode(DIALECTS["openai_chat"].write_request(chat))["min_p"] == 0.1
