"""Passing a stream of Anthropic's dialect through to a client of the same dialect: every byte as it came.

Only the frames that accounting needs are decoded; in JSON text a quote inside a string is escaped, but an escaped one
still ends like a plain one, so the scan can find too much (and then decodes for nothing) but never too little.
"""

import re
from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.kernel.errors import UpstreamError, UpstreamGarbled
from switchgear.kernel.estimate import estimate_output_tokens
from switchgear.wire.anthropic_errors import read_stream_error
from switchgear.wire.anthropic_stream import WireEvent, read_event
from switchgear.wire.anthropic_usage import WireUsage, merged_usage, read_finish, read_tier, read_usage
from switchgear.wire.sse import read_events

_MESSAGE: Final = b'"message_'
_ERROR: Final = b'"error"'
_DELTA: Final = b'"content_block_delta"'
_TEXT: Final = b'"text":"'
_CONTENT: Final = re.compile(rb'"(?:text|thinking|partial_json)":[ ]?"((?:[^"\\]|\\.)*)"')
_FRAME_END: Final = re.compile(rb"\n\n|\r\n\r\n|\r\r|\n\r\n|\r\n\n")


class AnthropicRelay:
    """The Relay of Anthropic's dialect.

    ``tally.usage`` holds the input as ``message_start`` told it, with the output estimated from what went by, until
    ``message_delta`` tells the real count: a stream that is cut off in between is then billed for what it wrote.
    """

    __slots__ = ("_untold", "_usage", "tally")

    def __init__(self, options: StreamOptions) -> None:
        self.tally = Tally()
        self._usage: WireUsage | None = None
        self._untold: Usage | None = None
        """What ``message_start`` told, as long as nothing newer is known."""

    def forward(self, frames: bytes) -> bytes:
        tally = self.tally
        if tally.error is not None:
            return b""
        deltas = frames.count(_DELTA)
        if deltas:
            self._count(frames, deltas)
        if _MESSAGE in frames or _ERROR in frames:
            frames = self._read(frames)
        if self._untold is not None:
            tally.usage = self._estimated(self._untold)
        return frames

    def _count(self, frames: bytes, deltas: int) -> None:
        """Content in the deltas, in UTF-8 bytes as they are escaped; an empty one is none."""
        tally = self.tally
        if deltas == 1 and frames.find(b"\n\n") == len(frames) - 2:
            start = frames.find(_TEXT) + len(_TEXT)
            if start >= len(_TEXT):
                size = max(frames.rfind(b'"', start) - start, 0)
                tally.content_bytes += size
                tally.content_frames += size > 0
                return
        pieces = [piece for piece in _CONTENT.findall(frames) if piece]
        tally.content_frames += min(len(pieces), deltas)
        tally.content_bytes += sum(map(len, pieces))

    def _read(self, frames: bytes) -> bytes:
        try:
            for name, data in read_events(frames):
                if _MESSAGE in data or _ERROR in data or name == b"error":
                    self._take(read_event(name, data), data)
        except UpstreamGarbled as error:
            self.tally.error = error
        except UpstreamError as error:
            self.tally.error = error
            return _up_to_error(frames)
        return frames

    def _take(self, event: WireEvent | None, data: bytes) -> None:
        kind = None if event is None else event.type
        if event is None or kind not in ("message_start", "message_delta", "message_stop", "error"):
            return
        if kind == "error":
            raise read_stream_error(data)
        tally = self.tally
        if kind == "message_stop":
            tally.complete = True
        elif kind == "message_start" and event.message is not None and event.message.usage is not None:
            self._usage = merged_usage(self._usage, event.message.usage)
            self._untold = tally.usage_at_start = read_usage(self._usage)
        elif kind == "message_delta":
            self._message_delta(event)

    def _message_delta(self, event: WireEvent) -> None:
        if event.delta is not None and event.delta.stop_reason is not None:
            self.tally.finish = read_finish(event.delta.stop_reason)
        if event.usage is not None:
            self._usage = merged_usage(self._usage, event.usage)
            self._untold = None
            self.tally.usage = read_usage(self._usage)
            self.tally.service = read_tier(self._usage)

    def _estimated(self, known: Usage) -> Usage:
        tally = self.tally
        return Usage(
            input=known.input,
            cache_read=known.cache_read,
            cache_write_5m=known.cache_write_5m,
            cache_write_1h=known.cache_write_1h,
            output=max(estimate_output_tokens(tally.content_frames, tally.content_bytes), known.output),
            estimated=True,
        )


def _up_to_error(frames: bytes) -> bytes:
    """The frames up to the one that tells of an error: nothing may follow it."""
    start = 0
    for end in _FRAME_END.finditer(frames):
        if any(_is_error(name, data) for name, data in read_events(frames[start : end.end()])):
            return frames[: end.end()]
        start = end.end()
    return frames


def _is_error(name: bytes, data: bytes) -> bool:
    event = read_event(name, data) if _ERROR in data or name == b"error" else None
    return event is not None and event.type == "error"
