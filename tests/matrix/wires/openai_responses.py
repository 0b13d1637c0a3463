"""OpenAI's Responses API."""

import json
from collections.abc import Iterator, Mapping
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
from tests.matrix.wire import NOTHING, OneOf, Wire, arguments, halves, only, payloads, sse, without

OFFERED: Final = [
    {"type": "function", "name": name, "description": description, "parameters": schema}
    for name, description, schema in TOOLS
]
LENIENT: Final = [{**tool, "strict": False} for tool in OFFERED]
"""Elsewhere a tool is not strict unless it says so; here that must be said."""
TEXT: Final = {"type": "input_text", "text": QUESTION}
MADE: Final = [
    {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments(call.arguments)}
    for call in CALLS
]
EMPTY: Final[Mapping[str, tuple[str, object]]] = {
    "reasoning": ("summary", []),
    "message": ("content", []),
    "function_call": ("arguments", ""),
}
"""Of an item that was only begun."""
ENCRYPTED: Final = "reasoning.encrypted_content"


def asked(**more: object) -> Body:
    said = {"type": "message", "role": "user", "content": QUESTION}
    return {"instructions": SYSTEM, "input": [said], "max_output_tokens": LIMIT, "store": False, **more}


def holding(part: object) -> Body:
    return asked(input=[{"type": "message", "role": "user", "content": [part, TEXT]}])


def replied(*results: object, tools: object, before: tuple[object, ...] = ()) -> Body:
    answers = [
        {"type": "function_call_output", "call_id": f"call_{at}", "output": output}
        for at, output in enumerate(results, 1)
    ]
    turn = [*before, {"type": "message", "role": "assistant", "content": PLAN}, *MADE, *answers]
    return asked(input=[{"type": "message", "role": "user", "content": QUESTION}, *turn], tools=tools)


def image(url: str, **detail: str) -> Body:
    return {"type": "input_image", "image_url": url, **detail}


def document(filename: object) -> Body:
    return holding({"type": "input_file", "file_data": PDF_URL, "filename": filename})


def schema(name: object, strict: object) -> Body:
    return asked(text={"format": {"type": "json_schema", "name": name, "schema": SCHEMA, "strict": strict}})


def thought(effort: str) -> Body:
    return asked(reasoning={"effort": effort, "summary": "auto"}, include=[ENCRYPTED])


def bodies(tools: object, **detail: str) -> dict[str, Body]:
    """What is said in the same way at both ends, but for what may be left unsaid."""
    reasoning = {"summary": [{"type": "summary_text", "text": THOUGHT}], "encrypted_content": SIGNATURE}
    picture = image(PNG_URL, **detail)
    return {
        "sampling": asked(temperature=0.5, top_p=0.9),
        "tools": asked(tools=tools),
        "a tool that must be called": asked(tools=tools, tool_choice={"type": "function", "name": "weather"}),
        "some tool must be called": asked(tools=tools, tool_choice="required"),
        "one call at a time": asked(tools=tools, parallel_tool_calls=False),
        "tool results": replied(*RESULTS, tools=tools),
        "an image": holding(picture),
        "an image by its URL": holding(image(WEB_IMAGE, **detail)),
        "an image from a tool": replied(RESULTS[0], [{"type": "input_text", "text": RESULTS[1]}, picture], tools=tools),
        "a PDF": document("report.pdf"),
        "JSON by a schema": schema(SCHEMA_NAME, strict=True),
        "JSON": asked(text={"format": {"type": "json_object"}}),
        "thinking, by effort": thought("medium"),
        "thoughts of an earlier turn": replied(*RESULTS, tools=tools, before=({"type": "reasoning", **reasoning},)),
    }


ASKS: Final = bodies(OFFERED)
GETS: Final = {
    **bodies(LENIENT, detail="auto"),
    "one call at a time": asked(tools=LENIENT, parallel_tool_calls=False, tool_choice=OneOf("auto", NOTHING)),
    "a tool that failed": replied(RESULTS[0], f"Error: {RESULTS[1]}", tools=LENIENT),
    "a PDF": document(OneOf("report.pdf", "report")),
    "JSON by a schema": schema(OneOf(SCHEMA_NAME, "response", "answer"), OneOf(True, NOTHING)),
    "thinking, by budget": thought("medium"),
}


def items(told: Told) -> Iterator[Body]:
    if told.thinking:
        summary = [{"type": "summary_text", "text": told.thinking}]
        yield {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": told.signature}
    content: list[Body] = [{"type": "output_text", "text": told.text, "annotations": [], "logprobs": []}]
    yield {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    for call in told.calls:
        made = {"call_id": call.id, "name": call.name, "arguments": arguments(call.arguments)}
        yield {"type": "function_call", "id": f"fc_{call.id}", "status": "completed", **made}


def answer(told: Told) -> Body:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt",
        "output": [*items(told)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": told.input,
            "input_tokens_details": {"cached_tokens": told.cached},
            "output_tokens": told.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": told.input + told.output,
        },
    }


def stream(told: Told) -> bytes:
    whole = answer(told)
    begun: Body = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[Body] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for at, item in enumerate(whole["output"]):
        events += told_item(at, item)
    events.append({"type": "response.completed", "response": whole})
    return sse(*({**event, "sequence_number": at} for at, event in enumerate(events)))


def told_item(at: int, item: Body) -> Iterator[Body]:
    place = {"item_id": item["id"], "output_index": at}
    member, empty = EMPTY[item["type"]]
    opened = without({**item, member: empty}, "encrypted_content")
    yield {"type": "response.output_item.added", "output_index": at, "item": {**opened, "status": "in_progress"}}
    if item["type"] == "function_call":
        for piece in halves(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
    elif item["type"] == "reasoning":
        (part,) = item["summary"]
        inner = {**place, "summary_index": 0}
        yield {"type": "response.reasoning_summary_part.added", **inner, "part": {**part, "text": ""}}
        for piece in halves(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **inner, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **inner, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **inner, "part": part}
    else:
        (part,) = item["content"]
        inner = {**place, "content_index": 0}
        yield {"type": "response.content_part.added", **inner, "part": {**part, "text": ""}}
        for piece in halves(part["text"]):
            yield {"type": "response.output_text.delta", **inner, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **inner, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **inner, "part": part}
    yield {"type": "response.output_item.done", "output_index": at, "item": item}


def told(body: Body) -> Told:
    output: list[Body] = body["output"]
    calls = [item for item in output if item["type"] == "function_call"]
    thinking: Body = next((item for item in output if item["type"] == "reasoning"), Body(summary=[]))
    counts = body["usage"]
    assert body["status"] == "completed"
    return Told(
        text="".join(only(item["content"])["text"] for item in output if item["type"] == "message"),
        thinking="".join(piece["text"] for piece in thinking["summary"]),
        signature=thinking.get("encrypted_content") or "",
        calls=tuple(Called(call["call_id"], call["name"], json.loads(call["arguments"])) for call in calls),
        finish="tool_calls" if calls else "stop",
        input=counts["input_tokens"],
        cached=counts["input_tokens_details"]["cached_tokens"],
        output=counts["output_tokens"],
    )


def told_stream(data: bytes) -> Told:
    """The deltas, which must say the same as the response at the end."""
    events = payloads(data)
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    assert events[-1]["type"] == "response.completed"
    found = told(events[-1]["response"])
    joined: dict[str, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            joined[event["type"]] = joined.get(event["type"], "") + event["delta"]
    assert joined.get("response.output_text.delta", "") == found.text
    assert joined.get("response.reasoning_summary_text.delta", "") == found.thinking
    made = "".join(item["arguments"] for item in events[-1]["response"]["output"] if item["type"] == "function_call")
    assert joined.get("response.function_call_arguments.delta", "") == made
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]
    return found


def path(model: str, streams: bool) -> str:
    return "/v1/responses"


def tidy(body: Body) -> Body:
    return without(body, "model", "stream")


WIRE: Final = Wire(
    name="openai_responses",
    title="OpenAI Responses",
    model="gpt-5.2",
    path=path,
    asks=ASKS,
    gets=GETS,
    streamed={"stream": True},
    tidy=tidy,
    answer=answer,
    stream=stream,
    told=told,
    told_stream=told_stream,
    refused_field=lambda body: body["error"]["param"],
    words={
        "response_format": "text.format",
        "messages[1]": "input[0]",
        "messages[1].content[0]": "input[0].content[0]",
        "messages[3].content": "input[4].content",
    },
)
