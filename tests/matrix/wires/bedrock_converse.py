"""Amazon Bedrock's Converse and ConverseStream."""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

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
    SCHEMA_NAME,
    SIGNATURE,
    SYSTEM,
    THOUGHT,
    TOOLS,
    Body,
    Called,
    Told,
)
from tests.matrix.wire import NOTHING, OneOf, Wire, arguments, halves
from tests.wire.framing import EventsByLine

OFFERED: Final = [
    {"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}}
    for name, description, schema in TOOLS
]
MADE: Final = [{"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in CALLS]
PICTURE: Final = {"image": {"format": "png", "source": {"bytes": PNG}}}
SHOWN: Final = {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SIGNATURE}}}
THINKING: Final = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}}
FINISHES: Final = {"stop": "end_turn", "tool_calls": "tool_use"}


def asked(*, more: Body | None = None, **config: object) -> Body:
    return {
        "system": [{"text": SYSTEM}],
        "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
        "inferenceConfig": {"maxTokens": LIMIT, **config},
        **(more or {}),
    }


def offering(**config: object) -> Body:
    return asked(more={"toolConfig": {"tools": OFFERED, **config}})


def holding(block: object) -> Body:
    return asked(more={"messages": [{"role": "user", "content": [block, {"text": QUESTION}]}]})


def replied(*, failed: bool = False, media: tuple[Body, ...] = (), before: tuple[Body, ...] = ()) -> Body:
    """``failed`` and ``media`` are the second result's."""
    results: list[Body] = [
        {"toolUseId": call.id, "content": [{"text": text}]} for call, text in zip(CALLS, RESULTS, strict=True)
    ]
    results[-1]["content"] += media
    if failed:
        results[-1]["status"] = "error"
    messages: list[Body] = [
        {"role": "user", "content": [{"text": QUESTION}]},
        {"role": "assistant", "content": [*before, {"text": PLAN}, *MADE]},
        {"role": "user", "content": [{"toolResult": result} for result in results]},
    ]
    return asked(more={"messages": messages, "toolConfig": {"tools": OFFERED}})


def formed(schema: object, name: object) -> Body:
    json_schema = {"schema": schema, "name": name}
    text_format = {"type": "json_schema", "structure": {"jsonSchema": json_schema}}
    return asked(more={"outputConfig": {"textFormat": text_format}})


ASKS: Final = {
    "sampling": asked(temperature=0.5, topP=0.9),
    "stop sequences": asked(stopSequences=["END"]),
    "tools": offering(),
    "a tool that must be called": offering(toolChoice={"tool": {"name": "weather"}}),
    "some tool must be called": offering(toolChoice={"any": {}}),
    "tool results": replied(),
    "a tool that failed": replied(failed=True),
    "an image": holding(PICTURE),
    "an image from a tool": replied(media=(PICTURE,)),
    "a PDF": holding({"document": {"format": "pdf", "name": "report", "source": {"bytes": PDF}}}),
    "JSON by a schema": formed(json.dumps(SCHEMA), SCHEMA_NAME),
    "thinking, by effort": asked(more={"outputConfig": {"effort": "medium"}}),
    "thinking, by budget": asked(more={"additionalModelRequestFields": THINKING}),
    "thoughts of an earlier turn": replied(before=(SHOWN,)),
}
GETS: Final = {
    # The only way to learn which sequence it was.
    "stop sequences": asked(stopSequences=["END"], more={"additionalModelResponseFieldPaths": ["/stop_sequence"]}),
    "JSON by a schema": formed(SCHEMA, OneOf(SCHEMA_NAME, "response", NOTHING)),
    "thinking, by effort": asked(more={"additionalModelRequestFields": THINKING}),
}


def tidy(body: Body) -> Body:
    """With the schema, which goes as text, decoded."""
    found = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
    if found is not None and isinstance(found["schema"], str):
        found["schema"] = json.loads(found["schema"])
    return body


def content(told: Told) -> list[Body]:
    blocks: list[Body] = []
    if told.thinking:
        reasoning = {"text": told.thinking, "signature": told.signature}
        blocks.append({"reasoningContent": {"reasoningText": reasoning}})
    blocks.append({"text": told.text})
    return blocks + [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in told.calls
    ]


def usage(told: Told) -> Body:
    return {
        "inputTokens": told.input - told.cached,
        "outputTokens": told.output,
        "totalTokens": told.input + told.output,
        "cacheReadInputTokens": told.cached,
        "cacheWriteInputTokens": 0,
    }


def answer(told: Told) -> Body:
    return {
        "output": {"message": {"role": "assistant", "content": content(told)}},
        "stopReason": FINISHES[told.finish],
        "usage": usage(told),
        "metrics": {"latencyMs": 7},
    }


def stream(told: Told) -> bytes:
    lines = "\n".join(f"{name} {json.dumps(payload, ensure_ascii=False)}" for name, payload in events(told))
    return b"".join(EventsByLine().frames(lines))


def events(told: Told) -> Iterator[tuple[str, Body]]:
    yield "messageStart", {"role": "assistant"}
    for at, block in enumerate(content(told)):
        place = {"contentBlockIndex": at}
        if "toolUse" in block:
            call = block["toolUse"]
            yield (
                "contentBlockStart",
                {**place, "start": {"toolUse": {name: call[name] for name in ("toolUseId", "name")}}},
            )
            deltas = [{"toolUse": {"input": piece}} for piece in halves(arguments(call["input"]))]
        elif "text" in block:
            deltas = [{"text": piece} for piece in halves(block["text"])]
        else:
            deltas = [{"reasoningContent": {"text": piece}} for piece in halves(told.thinking)]
            deltas.append({"reasoningContent": {"signature": told.signature}})
        for delta in deltas:
            yield "contentBlockDelta", {**place, "delta": delta}
        yield "contentBlockStop", place
    yield "messageStop", {"stopReason": FINISHES[told.finish]}
    yield "metadata", {"usage": usage(told), "metrics": {"latencyMs": 7}}


def told(body: Body) -> Told:
    blocks: list[Body] = body["output"]["message"]["content"]
    shown = [block["reasoningContent"]["reasoningText"] for block in blocks if "reasoningContent" in block]
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    counts = body["usage"]
    cached = counts.get("cacheReadInputTokens", 0)
    return Told(
        text="".join(block.get("text", "") for block in blocks),
        thinking="".join(block["text"] for block in shown),
        signature="".join(block.get("signature", "") for block in shown),
        calls=tuple(Called(call["toolUseId"], call["name"], call["input"]) for call in calls),
        finish={word: finish for finish, word in FINISHES.items()}[body["stopReason"]],
        input=counts["inputTokens"] + cached,
        cached=cached,
        output=counts["outputTokens"],
    )


def told_stream(data: bytes) -> Told:
    """Put together as a client of botocore's does it."""
    blocks: dict[int, Body] = {}
    body: Body = {}
    for line in EventsByLine().text(data).splitlines():
        name, _, payload = line.partition(" ")
        event: Body = json.loads(payload)
        if name == "contentBlockStart":
            blocks[event["contentBlockIndex"]] = {"toolUse": {**event["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            _grow(blocks.setdefault(event["contentBlockIndex"], {}), event["delta"])
        elif name in ("messageStop", "metadata"):
            body |= event
    whole = [blocks[at] for at in range(len(blocks))]
    for block in whole:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return told({**body, "output": {"message": {"content": whole}}})


def _grow(block: Body, delta: Body) -> None:
    if "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    else:
        reasoning = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        for name, piece in delta["reasoningContent"].items():
            reasoning[name] = reasoning.get(name, "") + piece


def path(model: str, streams: bool) -> str:
    return f"/model/{quote(model, safe='')}/{'converse-stream' if streams else 'converse'}"


def refused_field(body: Body) -> str:
    return str(body["message"]).partition(": ")[0]


WIRE: Final = Wire(
    name="bedrock_converse",
    title="Bedrock Converse",
    model="anthropic.claude-sonnet-4-5-v1:0",
    path=path,
    asks=ASKS,
    gets=GETS,
    names_model=False,
    stream_type="application/vnd.amazon.eventstream",
    tidy=tidy,
    answer=answer,
    stream=stream,
    told=told,
    told_stream=told_stream,
    refused_field=refused_field,
    words={
        "stop": "inferenceConfig.stopSequences",
        "tool_choice": "toolConfig.toolChoice",
        "messages[1]": "messages[0]",
        "messages[1].content[0]": "messages[0].content[0]",
        "messages[3].content": "messages[2].content",
    },
)
