"""A field of a request is written for the other dialect, or refused by its name: it is never dropped in silence."""

import pytest
from msgspec import json

from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.registry import discover
from tests.wire.foreign_fields import NOBODYS, OWN, PLAIN, requests

DIALECTS: dict[str, Dialect] = {name: dialect for name, dialect in discover().items() if dialect.family == "chat"}
PAIRS = [(source, target) for source in DIALECTS for target in DIALECTS if source != target]
CASES = [
    (source, target, field)
    for source, target in PAIRS
    for field in requests(source)
    if field in {**OWN[source], **OWN[target], **NOBODYS}
]
MEAN_NOTHING = {
    # What the gateway itself answers, whatever the upstream can do.
    ("openai_chat", "stream_options"),
    ("openai_completions", "stream_options"),
    ("openai_responses", "metadata"),
    ("openai_responses", "store"),
    # A hint that changes no answer.
    ("openai_responses", "prompt_cache_key"),
    # Which of the tools, and how many at once: without tools there is nothing to choose.
    ("cohere_chat", "strict_tools"),
    ("openai_chat", "parallel_tool_calls"),
    ("openai_responses", "parallel_tool_calls"),
    # The usual one.
    ("anthropic", "service_tier"),
    ("gemini", "service_tier"),
}
"""Where a request says the same without it, at one upstream at least."""
OTHER_WORDS = {
    "audio": {"audio.format"},
    "function_call": {"tool_choice"},
    "functions": {"tools"},
    "generationConfig": {"generationConfig.mediaResolution"},
    "include": {"logprobs"},
    "instructions": {"messages"},
    "k": {"top_k"},
    "logprobs": {"top_logprobs"},
    "metadata": {"user"},
    "output_config": {"reasoning_effort"},
    "outputConfig": {"reasoning_effort"},
    "output_format": {"response_format"},
    "reasoning": {"reasoning_effort"},
    "requestMetadata": {"metadata"},
    "safety_identifier": {"user"},
    "serviceTier": {"service_tier"},
    "stop_sequences": {"stop"},
    "stream_options": {"stream_options.include_usage"},
    "system": {"messages"},
    "systemInstruction": {"messages"},
    "text": {"response_format"},
    "thinking": {"reasoning_effort"},
    "toolConfig": {"tools", "tool_choice"},
}
"""What only some upstreams refuse is refused by the names that OpenAI's chats have for it."""


def written_or_refused(source: Dialect, target: Dialect, body: bytes) -> bytes | UnsupportedField:
    try:
        return target.write_request(source.read_request(body))
    except UnsupportedField as refused:
        return refused


def in_camels(name: str) -> str:
    """As Google's SDKs spell it, which the dialect takes for the same."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


@pytest.mark.parametrize(("source", "target", "field"), CASES, ids=map("-".join, CASES))
def test_a_field_is_carried_or_refused_by_its_name(source: str, target: str, field: str) -> None:
    without = DIALECTS[target].write_request(DIALECTS[source].read_request(json.encode(PLAIN[source])))
    written = written_or_refused(DIALECTS[source], DIALECTS[target], json.encode(requests(source)[field]))
    if isinstance(written, UnsupportedField):
        spelled = {field, in_camels(field)} if source == "gemini" else {field}
        assert written.param in spelled | OTHER_WORDS.get(field, set())
        assert written.message.startswith(written.param)
    elif written == without:
        assert (source, field) in MEAN_NOTHING


@pytest.mark.parametrize("target", ["openai_chat", "openai_completions", "openai_responses"])
@pytest.mark.parametrize(
    ("source", "field"),
    [
        *(("cohere_chat", name) for name in ("documents", "citation_options", "safety_mode", "priority", "unheard_of")),
        *(("gemini", name) for name in ("cachedContent", "labels", "safetySettings", "store", "speed")),
        *(
            ("bedrock_converse", name)
            for name in ("additionalModelRequestFields", "guardrailConfig", "promptVariables")
        ),
        *(("anthropic", name) for name in ("context_management", "mcp_servers", "container")),
    ],
)
def test_what_one_vendor_alone_understands_reaches_no_upstream_of_openais(source: str, field: str, target: str) -> None:
    refused = written_or_refused(DIALECTS[source], DIALECTS[target], json.encode(requests(source)[field]))
    assert isinstance(refused, UnsupportedField)
    assert refused.param == field


@pytest.mark.parametrize("name", ["cohere_chat", "gemini", "bedrock_converse", "anthropic"])
def test_what_one_vendor_alone_understands_goes_back_to_it(name: str) -> None:
    dialect = DIALECTS[name]
    own = {"documents", "safety_mode", "cachedContent", "safetySettings", "guardrailConfig", "container", "speed"}
    for field in own & OWN[name].keys():
        asked = requests(name)[field]
        assert json.decode(dialect.write_request(dialect.read_request(json.encode(asked))))[field] == asked[field]


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
