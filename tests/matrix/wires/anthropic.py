"""Anthropic's messages."""

import json
from typing import Any, Final

from tests.matrix.subject import (
    BUDGET,
    CALLS,
    LIMIT,
    PDF,
    PLAN,
    PNG,
    QUESTION,
    RESULTS,
    SCHEMA,
    SIGNATURE,
    SYSTEM,
    THOUGHT,
    TOOLS,
    WEB_IMAGE,
    Body,
    Called,
    Told,
)
from tests.matrix.wire import OneOf, Wire, arguments, halves, payloads, sse, without

OFFERED: Final = [
    {"name": name, "description": description, "input_schema": schema} for name, description, schema in TOOLS
]
TEXT: Final = {"type": "text", "text": QUESTION}
SAID: Final = {"type": "text", "text": PLAN}
MADE: Final = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in CALLS]
PICTURE: Final = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
THINKING: Final = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}
FINISHES: Final = {"stop": "end_turn", "tool_calls": "tool_use"}


def asked(**more: object) -> Body:
    return {"system": SYSTEM, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": LIMIT, **more}


def holding(block: object) -> Body:
    return asked(messages=[{"role": "user", "content": [block, TEXT]}])


def document(title: object) -> Body:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    return holding({"type": "document", "source": source, "title": title})


def replied(*results: object, before: tuple[object, ...] = (), failed: bool = False) -> Body:
    answers: list[Body] = [
        {"type": "tool_result", "tool_use_id": f"call_{at}", "content": content}
        for at, content in enumerate(results, 1)
    ]
    if failed:
        answers[-1]["is_error"] = True
    turns: list[Body] = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": [*before, SAID, *MADE]},
        {"role": "user", "content": answers},
    ]
    return asked(messages=turns, tools=OFFERED)


ASKS: Final = {
    "sampling": asked(temperature=0.5, top_p=0.9),
    "stop sequences": asked(stop_sequences=["END"]),
    "tools": asked(tools=OFFERED),
    "a tool that must be called": asked(tools=OFFERED, tool_choice={"type": "tool", "name": "weather"}),
    "some tool must be called": asked(tools=OFFERED, tool_choice={"type": "any"}),
    "one call at a time": asked(tools=OFFERED, tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    "tool results": replied(*RESULTS),
    "a tool that failed": replied(*RESULTS, failed=True),
    "an image": holding(PICTURE),
    "an image by its URL": holding({"type": "image", "source": {"type": "url", "url": WEB_IMAGE}}),
    "an image from a tool": replied(RESULTS[0], [{"type": "text", "text": RESULTS[1]}, PICTURE]),
    "a PDF": document("report.pdf"),
    "JSON by a schema": asked(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
    "thinking, by effort": asked(output_config={"effort": "medium"}),
    "thinking, by budget": asked(thinking={"type": "enabled", "budget_tokens": BUDGET}),
    "thoughts of an earlier turn": replied(*RESULTS, before=(THINKING,)),
}
GETS: Final = {
    "a PDF": document(OneOf("report.pdf", "report")),
    "thinking, by effort": asked(thinking={"type": "enabled", "budget_tokens": BUDGET}),
}


def answer(told: Told) -> Body:
    content: list[Body] = []
    if told.thinking:
        content.append({"type": "thinking", "thinking": told.thinking, "signature": told.signature})
    content.append({"type": "text", "text": told.text})
    content += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in told.calls]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": content,
        "stop_reason": FINISHES[told.finish],
        "stop_sequence": None,
        "usage": usage(told),
    }


def usage(told: Told) -> Body:
    return {
        "input_tokens": told.input - told.cached,
        "cache_read_input_tokens": told.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": told.output,
    }


def block(at: int, opened: Body, *deltas: Body) -> list[Body]:
    return [
        {"type": "content_block_start", "index": at, "content_block": opened},
        *({"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": at},
    ]


def stream(told: Told) -> bytes:
    whole = answer(told)
    begun: Body = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    events: list[Body] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for at, content in enumerate(whole["content"]):
        kind = content["type"]
        if kind == "thinking":
            pieces = [{"type": "thinking_delta", "thinking": piece} for piece in halves(told.thinking)]
            signed = {"type": "signature_delta", "signature": told.signature}
            events += block(at, {"type": kind, "thinking": "", "signature": ""}, *pieces, signed)
        elif kind == "text":
            pieces = [{"type": "text_delta", "text": piece} for piece in halves(told.text)]
            events += block(at, {"type": kind, "text": ""}, *pieces)
        else:
            made = halves(arguments(content["input"]))
            pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *made)]
            events += block(at, {**content, "input": {}}, *pieces)
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": told.output}})
    return sse(*events, {"type": "message_stop"})


def told(body: Body) -> Told:
    content: list[Body] = body["content"]
    thinking: Body = next((item for item in content if item["type"] == "thinking"), Body())
    counts = body["usage"]
    written = counts.get("cache_creation_input_tokens") or 0
    cached = counts.get("cache_read_input_tokens") or 0
    return Told(
        text="".join(item["text"] for item in content if item["type"] == "text"),
        thinking=thinking.get("thinking", ""),
        signature=thinking.get("signature", ""),
        calls=tuple(Called(item["id"], item["name"], item["input"]) for item in content if item["type"] == "tool_use"),
        finish={word: finish for finish, word in FINISHES.items()}[body["stop_reason"]],
        input=counts["input_tokens"] + cached + written,
        cached=cached,
        output=counts["output_tokens"],
    )


def told_stream(data: bytes) -> Told:
    """Put together as Anthropic's SDK does it."""
    events = payloads(data)
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    content: dict[int, Body] = {}
    inputs: dict[int, str] = {}
    body: Body = events[0]["message"]
    for event in events[1:]:
        if event["type"] == "content_block_start":
            content[event["index"]] = dict(event["content_block"])
        elif event["type"] == "content_block_delta":
            _grow(content[event["index"]], event["delta"], inputs, event["index"])
        elif event["type"] == "message_delta":
            body = {**body, **event["delta"], "usage": {**body["usage"], **event["usage"]}}
    for at, text in inputs.items():
        content[at]["input"] = json.loads(text)
    return told({**body, "content": [content[at] for at in range(len(content))]})


def _grow(content: Body, delta: Body, inputs: dict[int, str], at: int) -> None:
    if delta["type"] == "input_json_delta":
        inputs[at] = inputs.get(at, "") + delta["partial_json"]
        return
    name = delta["type"].removesuffix("_delta")
    content[name] = content.get(name, "") + delta[name]


def path(model: str, streams: bool) -> str:
    return "/v1/messages"


def tidy(body: Body) -> Body:
    return without(body, "model", "stream")


def refused_field(body: Body) -> str:
    message: Any = body["error"]["message"]
    return message.partition(": ")[0]


WIRE: Final = Wire(
    name="anthropic",
    title="Anthropic",
    model="claude-sonnet-4-5",
    path=path,
    asks=ASKS,
    gets=GETS,
    streamed={"stream": True},
    tidy=tidy,
    answer=answer,
    stream=stream,
    told=told,
    told_stream=told_stream,
    refused_field=refused_field,
    words={
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "stop": "stop_sequences",
        "messages[1]": "messages[0]",
        "messages[1].content[0]": "messages[0].content[0]",
        "messages[3].content": "messages[2].content",
    },
)
