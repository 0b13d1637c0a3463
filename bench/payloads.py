"""The request bodies: a chat of about 1.2 KB, and the wishes it carries to the mock upstream."""

import json
import zlib
from pathlib import Path

QUESTION = (
    "You are the night engineer of a regional distribution station. A feeder has tripped twice within the last hour, "
    "the recloser held both times, and the weather service reports gusts of twenty metres a second from the west. "
)
BODY_BYTES = 1200


def chat_body(model: str, wishes: str = "", *, stream: bool = False, size: int = BODY_BYTES) -> bytes:
    """A chat completion request of `size` bytes; `wishes` is text that the mock looks for in the prompt."""
    shape: dict[str, object] = {"model": model, "temperature": 0.2, "max_tokens": 256}
    if stream:
        shape |= {"stream": True, "stream_options": {"include_usage": True}}
    body = _with_prompt(shape, wishes)
    wanted = max(0, size - len(body))
    filler = (QUESTION * (1 + wanted // len(QUESTION)))[:wanted]
    return _with_prompt(shape, wishes + filler)


def _with_prompt(shape: dict[str, object], prompt: str) -> bytes:
    messages = [{"role": "system", "content": "Answer in one paragraph."}, {"role": "user", "content": prompt}]
    return json.dumps(shape | {"messages": messages}, separators=(",", ":")).encode()


def stream_wishes(chunks: int, interval_us: int = 0, stall_after: int = 0) -> str:
    """What the mock shall stream: how many chunks, how far apart, and after how many it falls silent (0: never)."""
    return f"mock:chunks={chunks} mock:interval_us={interval_us} mock:stall_after={stall_after} "


class Bodies:
    """Bodies as files, for a load generator that reads files; one file for each different body."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, body: bytes) -> Path:
        path = self._folder / f"body-{zlib.crc32(body):08x}.json"
        path.write_bytes(body)
        return path
