"""Passing OpenAI streams through untouched, but for the declared splices.

Most frames carry one token and nothing that accounting needs: a few byte searches say so, and they go on as they are.
Only frames that may tell of usage, an error, a finish or the end are decoded. A string inside the content can never
look like a member: its quotes are escaped.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Raw, Struct

from switchgear.kernel.chat import Start
from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled
from switchgear.wire.json_body import as_object, decode_answer
from switchgear.wire.openai_chat_stream import DONE, Chunk, raise_stream_error
from switchgear.wire.openai_chat_writer import ChunkFrame
from switchgear.wire.openai_errors import is_well_formed, write_failure
from switchgear.wire.openai_usage import estimated_usage, read_finish, read_usage
from switchgear.wire.sse import read_events

_FRAME: Final = re.compile(rb"(.*?(?:\r\n\r\n|\n\r\n|\r\n\n|\n\n|\r\r))", re.DOTALL)
_BREAKING_LINE: Final = re.compile(rb"^(?:id|retry)(?::[^\r\n]*)?(?:\r\n|\n|\r)", re.MULTILINE)
_TEXT_MARK: Final = b'content":"'
_QUOTE: Final = 34
_BACKSLASH: Final = 92
# Escapes count as they are written (two bytes for a line end): near enough for an estimate.
_CONTENT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|arguments|text)": ?"((?:[^"\\]+|\\.)+)"'
)
# Both members are written on every chunk by servers that were asked for usage, and say nothing there.
_QUIET: Final = (b'"usage":null', b'"usage": null', b'"finish_reason":null', b'"finish_reason": null')
_PERHAPS_ERROR: Final = b'"error"'

ReadChunk = Callable[[bytes], Chunk]


class _Identity(Struct):
    id: str = ""
    created: float | None = None
    model: str = ""


class ChatRelay:
    """The Relay of OpenAI's streams; ``kind`` is the ``object`` of a chunk that must be made up."""

    __slots__ = ("_kind", "_last", "_options", "_over", "tally")

    def __init__(self, options: StreamOptions, kind: str) -> None:
        self.tally = Tally()
        self._options = options
        self._kind = kind
        self._last = b""
        self._over = False

    def forward(self, frames: bytes) -> bytes:
        if self._over or _must_be_read(frames):
            return self._forward_each(frames)
        tally = self.tally
        start = frames.find(_TEXT_MARK)
        if start >= 0 and frames.find(b"\n\ndata", start) < 0:
            start += len(_TEXT_MARK)
            end = frames.find(b'"', start)
            while end > 0 and frames[end - 1] == _BACKSLASH:
                end = frames.find(b'"', end + 1)
            if end > start:
                tally.content_bytes += end - start
                tally.content_frames += 1
        else:
            self._count(frames)
        self._last = frames
        return frames

    def _count(self, frames: bytes) -> None:
        for piece in _CONTENT.findall(frames):
            self.tally.content_bytes += len(piece)
            self.tally.content_frames += 1

    def _forward_each(self, frames: bytes) -> bytes:
        sent: list[bytes] = []
        for frame in _FRAME.findall(frames):
            if self._over:
                break
            sent.append(self._forward_one(frame))
        return b"".join(sent)

    def _forward_one(self, frame: bytes) -> bytes:
        # One `id:` or `retry:` line makes the SDKs stumble over every later comment, and the gateway sends comments.
        frame = _BREAKING_LINE.sub(b"", frame)
        found = next(read_events(frame), None)
        if found is None:
            return frame if frame.strip() else b""
        data = found[1]
        if data.startswith(DONE):
            return self._finish() + frame
        try:
            chunk = decode_answer(Chunk, data)
            if chunk.error or chunk.object == "error":
                raise_stream_error(chunk, data)
        except SwitchgearError as error:
            return self._fail(error, frame, data)
        self._count(frame)
        self._last = frame
        return self._note(chunk, frame)

    def _note(self, chunk: Chunk, frame: bytes) -> bytes:
        """Keep what accounting needs; a chunk that only tells usage goes to those alone who asked for it."""
        for choice in chunk.choices or ():
            if choice.finish_reason is not None and choice.index == 0:
                self.tally.finish = read_finish(choice.finish_reason)
        if chunk.usage is None:
            return frame
        self.tally.usage = read_usage(chunk.usage)
        return b"" if not chunk.choices and not self._options.include_usage else frame

    def _fail(self, error: SwitchgearError, frame: bytes, data: bytes) -> bytes:
        """Let the SDKs raise: an error they can read goes on as it is, any other is written anew."""
        self.tally.error = error
        self._over = True
        if not isinstance(error, UpstreamGarbled) and is_well_formed(as_object(Raw(data)).get("error")):
            return frame
        return write_failure(error)

    def _finish(self) -> bytes:
        """Complete; where nothing told usage, an estimate is the usage, for the client as for accounting."""
        tally = self.tally
        tally.complete = True
        self._over = True
        if tally.usage is not None:
            return b""
        tally.usage = estimated_usage(self._options, tally.content_frames, tally.content_bytes)
        if not self._options.include_usage:
            return b""
        return self._made_up_frame().usage(tally.usage)

    def _made_up_frame(self) -> ChunkFrame:
        last = [data for _, data in read_events(self._last)]
        identity = decode_answer(_Identity, last[-1]) if last else _Identity()
        start = Start(id=identity.id, model=identity.model, created_seconds=int(identity.created or 0))
        return ChunkFrame(start, self._kind, include_usage=True)


def _must_be_read(frames: bytes) -> bool:
    """Whether anything but content may be in these frames, or anything but plain ``data:`` lines."""
    if not frames.startswith(b"data: {") or not frames.endswith(b"}\n\n") or _PERHAPS_ERROR in frames:
        return True
    quiet = sum(frames.count(mark) for mark in _QUIET)
    told = frames.count(b'"usage"') + frames.count(b'"finish_reason"')
    return told != quiet or b"[DONE]" in frames
