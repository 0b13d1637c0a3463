"""`python -m bench.spans_ask --dir D`: ask the store that `bench.spans_load` filled; best of five, in milliseconds."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from msgspec import json

from bench.report import Bar, verdicts
from bench.span_store import best_ms
from bench.spans_load import NOTE, Note, say, settings
from bench.spans_made import BUSIEST, MODELS
from switchgear.app.spans import open_spans
from switchgear.kernel.query import Compare, Every, Find, Said, Window

ALL: Final = Window(project=BUSIEST, since_ns=0, until_ns=2**62)
COMMON, MIDDLING = 50, 500
"""Ranks of words."""


async def measure(folder: Path, note: Note) -> list[Bar]:
    """Every question with its bar for a million spans."""
    made = note.made
    two = (Compare(field="model", value=MODELS[3]), Compare(field="status", value="error"))
    questions = {
        "the 50 newest spans": (Find(window=ALL), 50),
        "the 50 newest traces": (Find(window=ALL, of="traces"), 50),
        "two filters": (Find(window=ALL, where=Every(filters=two)), 50),
        "a rare word": (Find(window=ALL, where=Said(text="t10")), 300),
        "a common word": (Find(window=ALL, where=Said(text=made.words[COMMON])), 300),
        "two words": (Find(window=ALL, where=Said(text=f"{made.words[COMMON]} {made.words[MIDDLING]}")), 300),
    }
    store = await open_spans(settings(folder))
    try:
        return [
            Bar(f"{name}, ms", bar, await best_ms(lambda asked=asked: store.find(asked)))
            for name, (asked, bar) in questions.items()
        ]
    finally:
        await store.aclose()


def main() -> int:
    """Parse, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.spans_ask", description="Ask a filled trace store.")
    parser.add_argument("--dir", type=Path, required=True, help="the folder that bench.spans_load filled")
    folder: Path = parser.parse_args().dir.absolute()
    note = json.decode((folder / NOTE).read_bytes(), type=Note)
    say(verdicts(f"{note.spans:,} spans", asyncio.run(measure(folder, note))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
