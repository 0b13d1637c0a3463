"""What the cells of the matrix are about: one conversation, whichever wire it is told in."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

Body = dict[str, Any]

SYSTEM: Final = "Answer in one sentence."
QUESTION: Final = "Which weather has Köln?"
LIMIT: Final = 16_000
BUDGET: Final = 4096
"""Tokens of thinking: exactly what a medium effort is taken for."""
PARAMETERS: Final[Body] = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Final = (
    ("weather", "The weather of a city.", PARAMETERS),
    ("time", "The time of a zone.", {"type": "object", "properties": {"zone": {"enum": ["CET", "UTC"]}}}),
)
SCHEMA: Final[Body] = {
    "type": "object",
    "properties": {"degrees": {"type": "integer"}},
    "required": ["degrees"],
    "additionalProperties": False,
}
SCHEMA_NAME: Final = "weather_report"
PNG: Final = "iVBORw0KGgo+/w=="
PNG_URL: Final = f"data:image/png;base64,{PNG}"
WEB_IMAGE: Final = "https://example.com/rhine.png"
PDF: Final = "JVBERi0xLjQ+/w=="
PDF_URL: Final = f"data:application/pdf;base64,{PDF}"
SIGNATURE: Final = "EqQBCkgIARAB+/8="
THOUGHT: Final = "Both can be asked at once."
PLAN: Final = "Looking."


class Called(Struct, frozen=True):
    """A call of a tool, its arguments decoded."""

    id: str
    name: str
    arguments: Mapping[str, object]


CALLS: Final = (Called("call_1", "weather", {"city": "Köln"}), Called("call_2", "time", {"zone": "CET"}))
RESULTS: Final = ("7 degrees, rain", "no such zone")
"""Of the calls, in their order; where a tool failed, it was the second."""


class Told(Struct, frozen=True, kw_only=True):
    """What an answer says, whichever wire it came in; tokens are totals."""

    text: str = "In Köln it rains: 7°."
    thinking: str = ""
    signature: str = ""
    calls: tuple[Called, ...] = ()
    finish: str = "stop"
    input: int = 30
    cached: int = 10
    output: int = 12


WORDS: Final = Told()
JSON: Final = Told(text='{"degrees": 7}')
THOUGHTS: Final = Told(thinking=THOUGHT, signature=SIGNATURE)
THOUGHTFUL: Final = Told(text=PLAN, thinking=THOUGHT, signature=SIGNATURE, calls=CALLS, finish="tool_calls")
CALLING: Final = Told(text=PLAN, calls=CALLS, finish="tool_calls")

FEATURES: Final[Mapping[str, Told]] = {
    "sampling": WORDS,
    "stop sequences": WORDS,
    "tools": CALLING,
    "a tool that must be called": CALLING,
    "some tool must be called": CALLING,
    "one call at a time": CALLING,
    "tool results": WORDS,
    "a tool that failed": WORDS,
    "an image": WORDS,
    "an image by its URL": WORDS,
    "an image from a tool": WORDS,
    "a PDF": WORDS,
    "JSON by a schema": JSON,
    "JSON": JSON,
    "thinking, by effort": THOUGHTS,
    "thinking, by budget": THOUGHTFUL,
    "thoughts of an earlier turn": WORDS,
}
"""What a request can hold, and what the upstream answers to it."""
