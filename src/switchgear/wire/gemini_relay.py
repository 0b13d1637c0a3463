"""Passing a stream of Gemini's dialect through to a client of the same dialect: every byte as it came.

Each chunk is an answer with usage of its own, so each is looked into, though not at its content.
"""

import re
from typing import Final

from msgspec import Raw, Struct

from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled
from switchgear.wire.gemini_errors import read_stream_error, write_failure
from switchgear.wire.gemini_reply import BLOCKED, Feedback
from switchgear.wire.gemini_usage import WireUsage, read_finish, read_usage
from switchgear.wire.json_body import ABSENT, decode_answer, said
from switchgear.wire.sse import read_events

_FRAME: Final = re.compile(rb"(.*?(?:\r\n\r\n|\n\r\n|\r\n\n|\n\n|\r\r))", re.DOTALL)
# Escapes count as they are written: near enough for an estimate.
_CONTENT: Final = re.compile(rb'"text":\s*"((?:[^"\\]|\\.)+)"')
_CALL: Final = re.compile(rb'"functionCall"\s*:')


class SeenCandidate(Struct, rename="camel"):
    content: Raw = ABSENT
    finish_reason: str | None = None
    index: int | None = None


class Seen(Struct, rename="camel"):
    """What accounting needs of an answer, or of one chunk."""

    candidates: list[SeenCandidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: WireUsage | None = None
    error: Raw = ABSENT


class Watch:
    """Keeps the tally over the chunks of an answer."""

    __slots__ = ("_calls", "_finished", "_seen", "tally")

    def __init__(self) -> None:
        self.tally = Tally()
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._calls = False

    def take(self, data: bytes) -> Seen:
        """Look into one chunk. Raises UpstreamGarbled, or UpstreamRefused for an error."""
        chunk = decode_answer(Seen, data)
        if said(chunk.error) is not None:
            raise read_stream_error(data)
        tally = self.tally
        for at, candidate in enumerate(chunk.candidates or ()):
            self._candidate(at if candidate.index is None else candidate.index, candidate)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            tally.finish = tally.finish or BLOCKED
            self._finished.add(0)
        if chunk.usage_metadata is not None:
            tally.usage = read_usage(chunk.usage_metadata)
        tally.complete_at_end = bool(self._finished) and self._seen <= self._finished
        return chunk

    def _candidate(self, index: int, candidate: SeenCandidate) -> None:
        tally = self.tally
        content = bytes(candidate.content)
        pieces: list[bytes] = _CONTENT.findall(content)
        calls = _CALL.search(content) is not None
        tally.content_bytes += sum(map(len, pieces))
        tally.content_frames += calls or bool(pieces)
        self._seen.add(index)
        if index == 0:
            self._calls = self._calls or calls
        reason = candidate.finish_reason
        if reason is None:
            return
        self._finished.add(index)
        if index == 0:
            tally.finish = read_finish(reason, calls=self._calls)


class GeminiRelay:
    """The Relay of Gemini's dialect."""

    __slots__ = ("_over", "_watch", "tally")

    def __init__(self, options: StreamOptions) -> None:
        self._watch = Watch()
        self._over = False
        self.tally = self._watch.tally

    def forward(self, frames: bytes) -> bytes:
        sent: list[bytes] = []
        for frame in _FRAME.findall(frames):
            if self._over:
                break
            sent.append(self._forward_one(frame))
        return b"".join(sent)

    def _forward_one(self, frame: bytes) -> bytes:
        found = next(read_events(frame), None)
        if found is None:
            # Google's SDKs take a comment for an answer that is no JSON.
            return b""
        try:
            self._watch.take(found[1])
        except SwitchgearError as error:
            self._over = True
            self.tally.error = error
            self.tally.complete_at_end = False
            return write_failure(error) if isinstance(error, UpstreamGarbled) else frame
        return frame


def glance(body: bytes) -> Tally:
    """Usage and finish of a whole answer, or of an array of chunks."""
    watch = Watch()
    if body.lstrip().startswith(b"["):
        for chunk in decode_answer(list[Raw], body):
            watch.take(bytes(chunk))
    else:
        seen = watch.take(body)
        if seen.candidates is None and seen.prompt_feedback is None:
            raise UpstreamGarbled("the upstream's answer has no candidates")
    tally = watch.tally
    tally.complete = True
    tally.complete_at_end = False
    return tally
