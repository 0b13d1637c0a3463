"""Passing a stream of Converse through to a client of the same dialect: every byte as it came.

Checksums are verified on the way; only the events that accounting needs are decoded.
"""

import re
from typing import Final

from switchgear.kernel.dialect import Tally
from switchgear.wire.bedrock_converse_stream import FAULTS, read_event
from switchgear.wire.bedrock_converse_usage import read_finish, read_usage
from switchgear.wire.bedrock_errors import read_exception
from switchgear.wire.event_stream import Message, read_messages

_CONTENT: Final = re.compile(rb'"(?:text|input)":[ ]?"((?:[^"\\]|\\.)*)"')


class ConverseRelay:
    """The Relay of Converse. Raises UpstreamGarbled for a message that is broken: no client could read on after it."""

    __slots__ = ("tally",)

    def __init__(self) -> None:
        self.tally = Tally()

    def forward(self, frames: bytes) -> bytes:
        tally = self.tally
        for message in read_messages(frames):
            if tally.error is not None:
                return b""
            if message.word(":message-type") in FAULTS:
                tally.error = read_exception(message)
                return frames[: message.end]
            self._count(message)
        return b"" if tally.error is not None else frames

    def _count(self, message: Message) -> None:
        tally = self.tally
        name = message.word(":event-type")
        if name == "contentBlockDelta":
            size = sum(len(found) for found in _CONTENT.findall(message.payload))
            tally.content_frames += size > 0
            tally.content_bytes += size
        elif name == "messageStop":
            event = read_event(message)
            if event is not None and event.stop_reason is not None:
                tally.finish = read_finish(event.stop_reason)
            # Whole, though the usage may still come, and mostly does.
            tally.complete_at_end = True
        elif name == "metadata":
            event = read_event(message)
            if event is not None and event.usage is not None:
                tally.usage = read_usage(event.usage)
            tally.complete = True
