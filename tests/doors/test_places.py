"""A refusal between dialects names the place as the client's own request has it."""

import json
from collections.abc import Mapping

import pytest

from tests.doors.house import running

BEDROCK = "sim/bedrock_converse:echo"
COHERE = "sim/cohere_chat:echo"
URL = "https://example.com/cat.png"
LOOK = {"type": "image_url", "image_url": {"url": URL}}
CALLS = [{"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in (1, 2)]
RESULTS = [{"role": "tool", "tool_call_id": f"c{n}", "content": "done"} for n in (1, 2)]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def openai(*messages: object) -> Mapping[str, object]:
    return {"model": BEDROCK, "messages": list(messages), "tools": [TOOL]}


async def refused(path: str, body: Mapping[str, object]) -> str:
    """The message of the refusal."""
    async with running() as house:
        status, _, answer = await house.post(path, body)
        assert status == 400, answer
        error: Mapping[str, str] = json.loads(answer)["error"]
        assert (error.get("param") or "") in error["message"]
        return error["message"]


async def test_openais_tool_results_are_counted_one_by_one() -> None:
    told = await refused(
        "/v1/chat/completions",
        openai(
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": CALLS},
            *RESULTS,
            {"role": "user", "content": [LOOK]},
        ),
    )
    assert told.startswith("messages[4]"), told


async def test_what_is_wrong_with_joined_results_is_told_at_the_first_of_them() -> None:
    pdf = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}
    body = {**openai({"role": "user", "content": "hi"}, {"role": "user", "content": [pdf]}), "model": COHERE}
    assert (await refused("/v1/chat/completions", body)).startswith("messages[1]")


@pytest.mark.parametrize("system", [{}, {"system": "be kind"}, {"system": [{"type": "text", "text": "be kind"}]}])
async def test_anthropics_system_prompt_is_no_message(system: Mapping[str, object]) -> None:
    look = {"type": "image", "source": {"type": "url", "url": URL}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": [look]},
    ]
    body = {"model": BEDROCK, "max_tokens": 5, "messages": messages, **system}
    assert (await refused("/v1/messages", body)).startswith("messages[2]")


async def test_anthropics_results_beside_text_are_one_message() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
    look = {"type": "image", "source": {"type": "url", "url": URL}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {"type": "text", "text": "and"}]},
        {"role": "user", "content": [look]},
    ]
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body = {"model": BEDROCK, "max_tokens": 5, "system": "be kind", "messages": messages, "tools": tools}
    assert (await refused("/v1/messages", body)).startswith("messages[3]")


async def test_the_responses_api_has_an_input_and_no_messages() -> None:
    look = {"role": "user", "content": [{"type": "input_image", "image_url": URL}]}
    body = {"model": BEDROCK, "instructions": "be kind", "input": [{"role": "user", "content": "hi"}, look]}
    assert (await refused("/v1/responses", body)).startswith("input[1]")


async def test_googles_clients_have_contents() -> None:
    look = {"fileData": {"fileUri": URL, "mimeType": "image/png"}}
    body = {
        "systemInstruction": {"parts": [{"text": "be kind"}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "user", "parts": [look]}],
    }
    assert (await refused(f"/v1beta/models/{BEDROCK}:generateContent", body)).startswith("contents[1]")
