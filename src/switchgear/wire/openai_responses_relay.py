"""Passing a stream of OpenAI's Responses API through to a client of the same dialect: every byte as it came.

Only the frames that accounting needs are decoded: those that hold a response, and errors. Inside a JSON string every
quote is escaped, so content can never look like a member.
"""

import re
from typing import Final

from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled
from switchgear.wire.json_body import decode_answer
from switchgear.wire.openai_responses_reply import ItemKind
from switchgear.wire.openai_responses_stream import FAILED, FINAL, WireEvent, read_kind
from switchgear.wire.openai_responses_usage import read_error_event, read_failure, read_finish, read_usage
from switchgear.wire.sse import read_events

_RESPONSE: Final = b'"response":'
_ERROR: Final = b'"error"'
_DELTA: Final = b'.delta"'
_FRAME: Final = re.compile(rb"(.*?(?:\r\n\r\n|\n\r\n|\r\n\n|\n\n|\r\r))", re.DOTALL)
# One `id:` or `retry:` line makes the SDKs stumble over every later comment, and the gateway sends comments.
_BREAKING_LINE: Final = re.compile(rb"^(?:id|retry)(?::[^\r\n]*)?(?:\r\n|\n|\r)", re.MULTILINE)
# Escapes count as they are written (two bytes for a line end): near enough for an estimate. The quantifiers are
# possessive, or a string that never ends would be cut in every way there is.
_CONTENT: Final = re.compile(rb'"delta": ?"((?:[^"\\]++|\\.)++)"')


class ResponsesRelay:
    """The Relay of OpenAI's Responses API."""

    __slots__ = ("tally",)

    def __init__(self, options: StreamOptions) -> None:
        self.tally = Tally()

    def forward(self, frames: bytes) -> bytes:
        if self.tally.error is not None:
            return b""
        if not frames.startswith((b"event:", b"data:")) or b"\nid" in frames or b"\nretry" in frames:
            frames = _BREAKING_LINE.sub(b"", frames)
        if _DELTA in frames:
            for piece in _CONTENT.findall(frames):
                self.tally.content_bytes += len(piece)
                self.tally.content_frames += 1
        if _RESPONSE in frames or _ERROR in frames or b"event: error" in frames:
            return self._read(frames)
        return frames

    def _read(self, frames: bytes) -> bytes:
        """What accounting needs; nothing follows a failure."""
        end = 0
        for frame in _FRAME.finditer(frames):
            end = frame.end()
            try:
                for name, data in read_events(frame[0]):
                    self._take(name, data)
            except SwitchgearError as error:
                self.tally.error = error
                return frames[:end]
        return frames

    def _take(self, name: bytes, data: bytes) -> None:
        kind = read_kind(name, data)
        if kind == "error":
            raise read_error_event(data)
        if kind not in (*FINAL, *FAILED):
            return
        response = decode_answer(WireEvent, data).response
        if response is None:
            raise UpstreamGarbled(f"the upstream's stream has {kind} without a response")
        usage = self.tally.usage = None if response.usage is None else read_usage(response.usage)
        if kind in FAILED:
            raise read_failure(response.error)
        calls = any(decode_answer(ItemKind, bytes(item)).type == "function_call" for item in response.output or ())
        self.tally.finish = read_finish(kind.removeprefix("response."), response.incomplete_details, calls=calls)
        self.tally.complete = True
        self.tally.usage = usage
        self.tally.service = response.service_tier
