"""Cohere's chat, version 2."""

import json
from collections.abc import Iterator
from typing import Final

from tests.matrix.subject import (
    BUDGET,
    CALLS,
    LIMIT,
    PLAN,
    PNG_URL,
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
from tests.matrix.wire import Wire, arguments, halves, payloads, sse, without

ASKED: Final = ({"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION})
OFFERED: Final = [
    {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
    for name, description, schema in TOOLS
]
MADE: Final = [
    {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments(call.arguments)}}
    for call in CALLS
]
FINISHES: Final = {"stop": "COMPLETE", "tool_calls": "TOOL_CALL"}


def asked(**more: object) -> Body:
    return {"messages": [*ASKED], "max_tokens": LIMIT, **more}


def holding(url: str) -> Body:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTION}]
    return asked(messages=[ASKED[0], {"role": "user", "content": content}])


def replied(*results: str, **said: object) -> Body:
    answers = [{"role": "tool", "tool_call_id": f"call_{at}", "content": text} for at, text in enumerate(results, 1)]
    turn = {"role": "assistant", "tool_plan": PLAN, "tool_calls": MADE, **said}
    return asked(messages=[*ASKED, turn, *answers], tools=OFFERED)


ASKS: Final = {
    "sampling": asked(temperature=0.5, p=0.9),
    "stop sequences": asked(stop_sequences=["END"]),
    "tools": asked(tools=OFFERED),
    "some tool must be called": asked(tools=OFFERED, tool_choice="REQUIRED"),
    "tool results": replied(*RESULTS),
    "an image": holding(PNG_URL),
    "an image by its URL": holding(WEB_IMAGE),
    "JSON by a schema": asked(response_format={"type": "json_object", "json_schema": SCHEMA}),
    "JSON": asked(response_format={"type": "json_object"}),
    "thinking, by budget": asked(thinking={"type": "enabled", "token_budget": BUDGET}),
    # A signature is no word of Cohere's: it is the gateway that gave it to its clients, who send it back.
    "thoughts of an earlier turn": replied(
        *RESULTS, content=[{"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}]
    ),
}
GETS: Final = {
    "a tool that failed": replied(RESULTS[0], f"Error: {RESULTS[1]}"),
    "thinking, by effort": asked(thinking={"type": "enabled", "token_budget": BUDGET}),
    "thoughts of an earlier turn": replied(*RESULTS, content=[{"type": "thinking", "thinking": THOUGHT}]),
}


def usage(told: Told) -> Body:
    counts = {"input_tokens": told.input, "output_tokens": told.output}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": told.cached}


def answer(told: Told) -> Body:
    message: Body = {"role": "assistant"}
    content = [{"type": "thinking", "thinking": told.thinking}] if told.thinking else []
    if told.calls:
        message["tool_plan"] = told.text
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments(call.arguments)}}
            for call in told.calls
        ]
    else:
        content.append({"type": "text", "text": told.text})
    if content:
        message["content"] = content
    return {"id": "c1", "finish_reason": FINISHES[told.finish], "message": message, "usage": usage(told)}


def stream(told: Told) -> bytes:
    return sse(*events(told), end=b"data: [DONE]\n\n")


def events(told: Told) -> Iterator[Body]:
    empty: Body = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": "c1", "delta": {"message": empty}}
    message = answer(told)["message"]
    for at, block in enumerate(message.get("content", ())):
        kind = block["type"]
        yield _event("content-start", at, content={"type": kind, kind: ""})
        for piece in halves(block[kind]):
            yield _event("content-delta", at, content={kind: piece})
        yield {"type": "content-end", "index": at}
    for piece in halves(message.get("tool_plan", "")):
        if piece:
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    for at, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield _event("tool-call-start", at, tool_calls={**call, "function": {**function, "arguments": ""}})
        for piece in halves(function["arguments"]):
            yield _event("tool-call-delta", at, tool_calls={"function": {"arguments": piece}})
        yield {"type": "tool-call-end", "index": at}
    yield {"type": "message-end", "delta": {"finish_reason": FINISHES[told.finish], "usage": usage(told)}}


def _event(kind: str, at: int, **message: object) -> Body:
    return {"type": kind, "index": at, "delta": {"message": message}}


def told(body: Body) -> Told:
    message = body["message"]
    content: list[Body] = message.get("content") or []
    thinking: Body = next((block for block in content if block["type"] == "thinking"), Body())
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
    counts = body["usage"]
    return Told(
        # What is said before a call is a plan; in a stream that is known too late.
        text=message.get("tool_plan") or "".join(block["text"] for block in content if block["type"] == "text"),
        thinking=thinking.get("thinking", ""),
        signature=thinking.get("signature", ""),
        calls=tuple(Called(name, function["name"], json.loads(function["arguments"])) for name, function in calls),
        finish={word: finish for finish, word in FINISHES.items()}[body["finish_reason"]],
        input=counts["billed_units"]["input_tokens"],
        cached=counts.get("cached_tokens", 0),
        output=counts["billed_units"]["output_tokens"],
    )


def told_stream(data: bytes) -> Told:
    assert data.endswith(b"data: [DONE]\n\n")
    content: dict[int, Body] = {}
    calls: dict[int, Body] = {}
    message: Body = {}
    end: Body = {}
    for event in payloads(data):
        delta = event.get("delta", {}).get("message", {})
        match event["type"]:
            case "content-start":
                content[event["index"]] = dict(delta["content"])
            case "content-delta":
                block = content[event["index"]]
                block.update({name: block.get(name, "") + piece for name, piece in delta["content"].items()})
            case "tool-plan-delta":
                message["tool_plan"] = message.get("tool_plan", "") + delta["tool_plan"]
            case "tool-call-start":
                calls[event["index"]] = delta["tool_calls"]
            case "tool-call-delta":
                calls[event["index"]]["function"]["arguments"] += delta["tool_calls"]["function"]["arguments"]
            case "message-end":
                end = event["delta"]
            case _:
                assert event["type"] in ("message-start", "content-end", "tool-call-end")
    message |= {"content": [content[at] for at in range(len(content))], "tool_calls": [*calls.values()]}
    return told({**end, "message": message})


def path(model: str, streams: bool) -> str:
    return "/v2/chat"


WIRE: Final = Wire(
    name="cohere_chat",
    title="Cohere chat",
    model="command-a-reasoning-08-2025",
    path=path,
    asks=ASKS,
    gets=GETS,
    streamed={"stream": True},
    signs=False,
    tidy=lambda body: without(body, "model", "stream"),
    answer=answer,
    stream=stream,
    told=told,
    told_stream=told_stream,
    refused_field=lambda body: body["param"],
    words={"stop": "stop_sequences"},
)
