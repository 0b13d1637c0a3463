"""The cells of the matrix that cannot be carried, and the table of all of them in the documentation."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from scripts.reference import table
from tests.matrix.subject import FEATURES
from tests.matrix.wire import Wire

WIRES_AT: Final = Path(__file__).parent / "wires"

REFUSED: Final[Mapping[tuple[str, str], str]] = {
    ("stop sequences", "openai_responses"): "stop",
    ("a tool that must be called", "cohere_chat"): "tool_choice",
    ("one call at a time", "gemini"): "parallel_tool_calls",
    ("one call at a time", "bedrock_converse"): "parallel_tool_calls",
    ("one call at a time", "cohere_chat"): "parallel_tool_calls",
    ("an image by its URL", "bedrock_converse"): "messages[1]",
    ("an image from a tool", "cohere_chat"): "messages[3].content",
    ("a PDF", "cohere_chat"): "messages[1].content[0]",
    ("JSON", "anthropic"): "response_format",
    ("JSON", "bedrock_converse"): "response_format",
}
"""By feature and upstream, the field that the refusal names; whatever the door, unless it speaks the same wire."""


def wires() -> dict[str, Wire]:
    """Every wire that a file of the folder describes, by its name."""
    modules = sorted(module.name for module in iter_modules([str(WIRES_AT)]))
    found: list[Wire] = [import_module(f"tests.matrix.wires.{name}").WIRE for name in modules]
    return {wire.name: wire for wire in found}


def carried_table() -> str:
    """What becomes of each feature at each upstream, whoever asks."""
    known = wires().values()
    rows: list[list[str]] = []
    for feature in FEATURES:
        cells = [f"400 `{REFUSED[feature, wire.name]}`" if (feature, wire.name) in REFUSED else "yes" for wire in known]
        askers = ", ".join(wire.title for wire in known if feature in wire.asks)
        rows.append([feature, *cells, "all" if askers.count(",") == len(known) - 1 else askers])
    return table(["what is asked for", *(wire.title for wire in known), "clients that can ask"], rows)
