"""OpenAI's chat completions; thoughts as DeepSeek, vLLM and LiteLLM put them beside the content."""

import json
from typing import Final

from tests.matrix.subject import (
    CALLS,
    LIMIT,
    PDF_URL,
    PLAN,
    PNG_URL,
    QUESTION,
    RESULTS,
    SCHEMA,
    SCHEMA_NAME,
    SIGNATURE,
    SYSTEM,
    THOUGHT,
    TOOLS,
    WEB_IMAGE,
    Body,
    Called,
    Told,
)
from tests.matrix.wire import NOTHING, OneOf, Wire, arguments, halves, payloads, sse, without

ASKED: Final = ({"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION})
LIMITED: Final = {"max_completion_tokens": LIMIT}
OFFERED: Final = [
    {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
    for name, description, schema in TOOLS
]
MADE: Final = [
    {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments(call.arguments)}}
    for call in CALLS
]
TEXT: Final = {"type": "text", "text": QUESTION}
THINKING: Final = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}


def asked(**more: object) -> Body:
    return {"messages": [*ASKED], **LIMITED, **more}


def holding(part: object) -> Body:
    """A question with something to look at."""
    return asked(messages=[ASKED[0], {"role": "user", "content": [part, TEXT]}])


def replied(*results: object, **said: object) -> Body:
    """A conversation in which the calls were answered."""
    answers = [{"role": "tool", "tool_call_id": f"call_{at}", "content": text} for at, text in enumerate(results, 1)]
    turn = {"role": "assistant", "content": PLAN, **said, "tool_calls": MADE}
    return asked(messages=[*ASKED, turn, *answers], tools=OFFERED)


def image(url: str) -> Body:
    return {"type": "image_url", "image_url": {"url": url}}


def schema(name: object) -> Body:
    wanted = {"name": name, "schema": SCHEMA, "strict": OneOf(True, NOTHING)}
    return asked(response_format={"type": "json_schema", "json_schema": wanted})


ASKS: Final = {
    "sampling": asked(temperature=0.5, top_p=0.9),
    "stop sequences": asked(stop=["END"]),
    "tools": asked(tools=OFFERED),
    "a tool that must be called": asked(
        tools=OFFERED, tool_choice={"type": "function", "function": {"name": "weather"}}
    ),
    "some tool must be called": asked(tools=OFFERED, tool_choice="required"),
    "one call at a time": asked(tools=OFFERED, parallel_tool_calls=False),
    "tool results": replied(*RESULTS),
    "an image": holding(image(PNG_URL)),
    "an image by its URL": holding(image(WEB_IMAGE)),
    "an image from a tool": replied(RESULTS[0], [{"type": "text", "text": RESULTS[1]}, image(PNG_URL)]),
    "a PDF": holding({"type": "file", "file": {"file_data": PDF_URL, "filename": "report.pdf"}}),
    "JSON by a schema": asked(
        response_format={"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": SCHEMA, "strict": True}}
    ),
    "JSON": asked(response_format={"type": "json_object"}),
    "thinking, by effort": asked(reasoning_effort="medium"),
    "thoughts of an earlier turn": replied(*RESULTS, reasoning_content=THOUGHT, thinking_blocks=[THINKING]),
}
GETS: Final = {
    "one call at a time": asked(tools=OFFERED, parallel_tool_calls=False, tool_choice=OneOf("auto", NOTHING)),
    "a tool that failed": replied(RESULTS[0], f"Error: {RESULTS[1]}"),
    "a PDF": holding(
        {"type": "file", "file": {"file_data": PDF_URL, "filename": OneOf("report.pdf", "report")}},
    ),
    "JSON by a schema": schema(OneOf(SCHEMA_NAME, "response", "answer")),
    "thinking, by budget": asked(reasoning_effort="medium"),
}


def answer(told: Told) -> Body:
    message: Body = {"role": "assistant", "content": told.text, "refusal": None}
    if told.thinking:
        message["reasoning_content"] = told.thinking
    if told.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments(call.arguments)}}
            for call in told.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": told.finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt",
        "choices": [choice],
        "usage": usage(told),
    }


def usage(told: Told) -> Body:
    return {
        "prompt_tokens": told.input,
        "completion_tokens": told.output,
        "total_tokens": told.input + told.output,
        "prompt_tokens_details": {"cached_tokens": told.cached},
    }


def stream(told: Told) -> bytes:
    deltas: list[Body] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in halves(told.thinking) if piece]
    deltas += [{"content": piece} for piece in halves(told.text)]
    for at, call in enumerate(told.calls):
        function = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": at, "id": call.id, "type": "function", "function": function}]})
        deltas += [
            {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
            for piece in halves(arguments(call.arguments))
        ]
    choices: list[Body] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": told.finish})
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt"}
    chunks = [{**head, "choices": [choice]} for choice in choices]
    return sse(*chunks, {**head, "choices": [], "usage": usage(told)}, named=False, end=b"data: [DONE]\n\n")


def told(body: Body) -> Told:
    (choice,) = body["choices"]
    message = choice["message"]
    blocks: list[Body] = message.get("thinking_blocks") or [{}]
    assert blocks[0].get("thinking", message.get("reasoning_content")) == message.get("reasoning_content")
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
    counts = body["usage"]
    return Told(
        text=message["content"],
        thinking=message.get("reasoning_content") or "",
        signature=blocks[0].get("signature", ""),
        calls=tuple(Called(name, function["name"], json.loads(function["arguments"])) for name, function in calls),
        finish=choice["finish_reason"],
        input=counts["prompt_tokens"],
        cached=counts["prompt_tokens_details"]["cached_tokens"],
        output=counts["completion_tokens"],
    )


def told_stream(data: bytes) -> Told:
    """Put together as OpenAI's SDK does it: strings are joined, lists by their indices."""
    assert data.endswith(b"data: [DONE]\n\n")
    message: Body = {"content": ""}
    calls: dict[int, Body] = {}
    finish = None
    counts: Body = {}
    for chunk in payloads(data):
        counts = chunk.get("usage") or counts
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            delta = choice["delta"]
            for name in ("content", "reasoning_content"):
                if delta.get(name):
                    message[name] = message.get(name, "") + delta[name]
            message.update({name: delta[name] for name in ("thinking_blocks",) if name in delta})
            for call in delta.get("tool_calls", ()):
                made = calls.setdefault(
                    call["index"], {"id": call.get("id"), "function": {"name": "", "arguments": ""}}
                )
                made["function"]["name"] += call["function"].get("name", "")
                made["function"]["arguments"] += call["function"].get("arguments", "")
    message["tool_calls"] = [calls[at] for at in range(len(calls))]
    return told({"choices": [{"message": message, "finish_reason": finish}], "usage": counts})


def path(model: str, streams: bool) -> str:
    return "/v1/chat/completions"


WIRE: Final = Wire(
    name="openai_chat",
    title="OpenAI chat",
    model="gpt-5.2",
    path=path,
    asks=ASKS,
    gets=GETS,
    streamed={"stream": True, "stream_options": {"include_usage": True}},
    signs=False,
    tidy=lambda body: without(body, "model", "stream", "stream_options"),
    answer=answer,
    stream=stream,
    told=told,
    told_stream=told_stream,
    refused_field=lambda body: body["error"]["param"],
)
