"""Gemini's ``generateContent`` and ``streamGenerateContent``."""

from typing import Final

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
from tests.matrix.wire import OneOf, Wire, halves, only, payloads, sse

OFFERED: Final = [
    {
        "functionDeclarations": [
            {"name": name, "description": description, "parametersJsonSchema": schema}
            for name, description, schema in TOOLS
        ]
    }
]
MADE: Final = [{"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}} for call in CALLS]
PICTURE: Final = {"inlineData": {"mimeType": "image/png", "data": PNG}}
SHOWN: Final = {"text": THOUGHT, "thought": True, "thoughtSignature": SIGNATURE}


def asked(*, more: Body | None = None, **config: object) -> Body:
    said = {"role": "user", "parts": [{"text": QUESTION}]}
    return {
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "contents": [said],
        "generationConfig": {"maxOutputTokens": LIMIT, **config},
        **(more or {}),
    }


def called(**calling: object) -> Body:
    return asked(more={"tools": OFFERED, "toolConfig": {"functionCallingConfig": calling}})


def holding(part: object) -> Body:
    return asked(more={"contents": [{"role": "user", "parts": [part, {"text": QUESTION}]}]})


def document(name: object) -> Body:
    return holding({"inlineData": {"mimeType": "application/pdf", "data": PDF, "displayName": name}})


def replied(*, key: str = "output", media: tuple[Body, ...] = (), before: tuple[Body, ...] = ()) -> Body:
    """``key`` is the second result's."""
    results: list[Body] = [
        {"id": call.id, "name": call.name, "response": {member: text}}
        for call, text, member in zip(CALLS, RESULTS, ("output", key), strict=True)
    ]
    if media:
        results[-1]["parts"] = [*media]
    contents: list[Body] = [
        {"role": "user", "parts": [{"text": QUESTION}]},
        {"role": "model", "parts": [*before, {"text": PLAN}, *MADE]},
        {"role": "user", "parts": [{"functionResponse": result} for result in results]},
    ]
    return asked(more={"contents": contents, "tools": OFFERED})


ASKS: Final = {
    "sampling": asked(temperature=0.5, topP=0.9),
    "stop sequences": asked(stopSequences=["END"]),
    "tools": asked(more={"tools": OFFERED}),
    "a tool that must be called": called(mode="ANY", allowedFunctionNames=["weather"]),
    "some tool must be called": called(mode="ANY"),
    "tool results": replied(),
    "a tool that failed": replied(key="error"),
    "an image": holding(PICTURE),
    "an image by its URL": holding({"fileData": {"mimeType": "image/png", "fileUri": WEB_IMAGE}}),
    "an image from a tool": replied(media=(PICTURE,)),
    "a PDF": document("report.pdf"),
    "JSON by a schema": asked(responseMimeType="application/json", responseJsonSchema=SCHEMA),
    "JSON": asked(responseMimeType="application/json"),
    "thinking, by effort": asked(thinkingConfig={"thinkingLevel": "MEDIUM", "includeThoughts": True}),
    "thinking, by budget": asked(thinkingConfig={"thinkingBudget": BUDGET, "includeThoughts": True}),
    "thoughts of an earlier turn": replied(before=(SHOWN,)),
}
GETS: Final = {"a PDF": document(OneOf("report.pdf", "report"))}


def parts(told: Told) -> list[Body]:
    found: list[Body] = []
    if told.thinking:
        found.append({"text": told.thinking, "thought": True, "thoughtSignature": told.signature})
    found.append({"text": told.text})
    return found + [{"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}} for call in told.calls]


def chunk(told: Told, content: list[Body], finish: str | None) -> Body:
    candidate: Body = {"index": 0, "content": {"role": "model", "parts": content}}
    if finish is not None:
        candidate["finishReason"] = finish
    counts = {"promptTokenCount": told.input, "cachedContentTokenCount": told.cached}
    if finish is not None:
        counts |= {"candidatesTokenCount": told.output, "totalTokenCount": told.input + told.output}
    return {"responseId": "r1", "modelVersion": "gemini", "candidates": [candidate], "usageMetadata": counts}


def answer(told: Told) -> Body:
    return chunk(told, parts(told), "STOP")


def stream(told: Told) -> bytes:
    pieces: list[Body] = []
    for part in parts(told):
        if "text" in part:
            first, second = halves(part["text"])
            rest = {name: value for name, value in part.items() if name != "text"}
            pieces += [{"text": first, **({"thought": True} if "thought" in part else {})}, {"text": second, **rest}]
        else:
            pieces.append(part)
    chunks = [chunk(told, [piece], None) for piece in pieces]
    return sse(*chunks, chunk(told, [{"text": ""}], "STOP"), named=False)


def told(body: Body) -> Told:
    return read([body])


def told_stream(data: bytes) -> Told:
    return read(payloads(data))


def read(chunks: list[Body]) -> Told:
    found = [part for body in chunks for part in only(body["candidates"]).get("content", {}).get("parts", ())]
    assert only(chunks[-1]["candidates"])["finishReason"] == "STOP"
    calls = [part["functionCall"] for part in found if "functionCall" in part]
    counts = chunks[-1]["usageMetadata"]
    return Told(
        text="".join(part.get("text", "") for part in found if not part.get("thought")),
        thinking="".join(part["text"] for part in found if part.get("thought")),
        signature="".join(part.get("thoughtSignature", "") for part in found),
        calls=tuple(Called(call["id"], call["name"], call["args"]) for call in calls),
        # Google has no word of its own for a turn that ends with calls.
        finish="tool_calls" if calls else "stop",
        input=counts["promptTokenCount"],
        cached=counts.get("cachedContentTokenCount", 0),
        output=counts["candidatesTokenCount"] + counts.get("thoughtsTokenCount", 0),
    )


def path(model: str, streams: bool) -> str:
    return f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if streams else 'generateContent'}"


def refused_field(body: Body) -> str:
    found = [detail["fieldViolations"] for detail in body["error"]["details"] if "fieldViolations" in detail]
    return only(only(found))["field"]


WIRE: Final = Wire(
    name="gemini",
    title="Gemini",
    model="gemini-3-pro",
    path=path,
    asks=ASKS,
    gets=GETS,
    names_model=False,
    answer=answer,
    stream=stream,
    told=told,
    told_stream=told_stream,
    refused_field=refused_field,
    words={
        "response_format": "generationConfig.responseMimeType",
        "stop": "generationConfig.stopSequences",
        "tool_choice": "toolConfig.functionCallingConfig",
        "messages[1]": "contents[0]",
        "messages[1].content[0]": "contents[0].content[0]",
        "messages[3].content": "contents[2].content",
    },
)
