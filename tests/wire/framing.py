"""Streams in case files: as they are when they are text; those of Amazon one event to a line.

``name {json}`` is an event, ``!name {json}`` an exception, ``!! code message`` an error that no service owns.
"""

from collections.abc import Iterator
from typing import Protocol

from switchgear.kernel.dialect import Dialect
from switchgear.wire.event_stream import STREAM_TYPE, read_messages, write_message


class Framing(Protocol):
    """How the frames of a stream stand in a text file."""

    def frames(self, text: str) -> list[bytes]: ...

    def text(self, data: bytes) -> str: ...


class EventsOfText:
    """Server-sent events, and whatever else is text: byte for byte."""

    def frames(self, text: str) -> list[bytes]:
        *whole, rest = text.encode().split(b"\n\n")
        return [frame + b"\n\n" for frame in whole if frame.strip()] + ([rest] if rest else [])

    def text(self, data: bytes) -> str:
        return data.decode()


class EventsByLine:
    """``application/vnd.amazon.eventstream``."""

    def frames(self, text: str) -> list[bytes]:
        return [_message(line) for line in text.splitlines() if line]

    def text(self, data: bytes) -> str:
        return "".join(_lines(data))


def framing_of(dialect: Dialect) -> Framing:
    """The framing of a dialect's streams."""
    return EventsByLine() if dialect.stream_type == STREAM_TYPE else EventsOfText()


def _message(line: str) -> bytes:
    name, _, payload = line.partition(" ")
    if name == "!!":
        code, _, message = payload.partition(" ")
        return write_message({":message-type": "error", ":error-code": code, ":error-message": message}, b"")
    kind = "exception" if name.startswith("!") else "event"
    headers = {f":{kind}-type": name.removeprefix("!"), ":content-type": "application/json", ":message-type": kind}
    return write_message(headers, payload.encode())


def _lines(data: bytes) -> Iterator[str]:
    for message in read_messages(data):
        assert message.word(":content-type") == "application/json"
        mark = "!" if message.word(":message-type") == "exception" else ""
        name = message.word(":exception-type" if mark else ":event-type")
        yield f"{mark}{name} {message.payload.decode()}\n"
