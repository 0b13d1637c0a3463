"""Passing a stream of Cohere's chat through to a client of the same dialect: every byte as it came.

Only the frames that accounting needs are decoded. ``message-end`` completes the answer. Cohere sends ``[DONE]`` after
it; it goes out together with ``message-end``, so that a client has it before the answer is settled, and a stream that
breaks off cannot end with one.
"""

import re
from collections.abc import Iterator
from typing import Final

from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import UpstreamError, UpstreamRefused
from switchgear.wire.cohere_chat_stream import DONE, WireDelta, WireEvent, read_event
from switchgear.wire.cohere_chat_writer import DONE_FRAME
from switchgear.wire.cohere_errors import write_failure
from switchgear.wire.cohere_usage import read_finish, read_usage
from switchgear.wire.sse import read_events

_END: Final = b"message-end"
_ERROR: Final = re.compile(rb'"message":[ ]?"')
"""In an event that is none, ``message`` is an object; a quote within the content is escaped."""
_DELTAS: Final = re.compile(rb'"(?:content|tool-plan|tool-call)-delta"')
_CONTENT: Final = re.compile(rb'"(?:text|thinking|tool_plan|arguments)":[ ]?"((?:[^"\\]|\\.)+)"')
_FRAME: Final = re.compile(rb"(.*?(?:\r\n\r\n|\n\r\n|\r\n\n|\n\n|\r\r))", re.DOTALL)


class CohereRelay:
    """The Relay of Cohere's dialect."""

    __slots__ = ("_over", "tally")

    def __init__(self) -> None:
        self.tally = Tally()
        self._over = False

    def forward(self, frames: bytes) -> bytes:
        if self._over:
            return b""
        if _must_be_read(frames):
            return b"".join(self._forward_each(frames))
        self._count(frames)
        return frames

    def _forward_each(self, frames: bytes) -> Iterator[bytes]:
        for frame in _FRAME.findall(frames):
            if self._over:
                return
            yield self._forward_one(frame)

    def _forward_one(self, frame: bytes) -> bytes:
        found = next(read_events(frame), None)
        if found is None:
            return frame
        name, data = found
        if data.startswith(DONE):
            return b""
        self._count(frame)
        try:
            event = read_event(name, data)
            if event is None or event.type != _END.decode():
                return frame
            self._end(event)
        except UpstreamError as error:
            self._over = True
            self.tally.error = error
            # That an answer broke off is told by a message-end of its own; what cannot be read is told anew.
            return frame if isinstance(error, UpstreamRefused) and _END in frame else write_failure(error)
        return frame + DONE_FRAME

    def _end(self, event: WireEvent) -> None:
        self._over = True
        delta = event.delta or WireDelta()
        self.tally.usage = None if delta.usage is None else read_usage(delta.usage)
        self.tally.finish = read_finish(delta.finish_reason, delta.error)
        self.tally.complete = True

    def _count(self, frames: bytes) -> None:
        if _DELTAS.search(frames) is None:
            return
        for piece in _CONTENT.findall(frames):
            self.tally.content_bytes += len(piece)
            self.tally.content_frames += 1


def _must_be_read(frames: bytes) -> bool:
    """Whether anything but content may be in these frames."""
    return _END in frames or DONE in frames or _ERROR.search(frames) is not None
