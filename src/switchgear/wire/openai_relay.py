"""Passing OpenAI streams through untouched, but for the declared splices.

Most frames carry one token and nothing that accounting needs. A frame that differs from the last such one in a single
string is known at once; for others a few byte searches say so. They go on as they are.
Only frames that may tell of usage, an error, a finish or the end are decoded. A string inside the content can never
look like a member: its quotes are escaped.
"""

import re
from typing import Final

from msgspec import Raw, Struct

from switchgear.kernel.chat import Start
from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled
from switchgear.kernel.estimate import estimated_usage
from switchgear.wire.json_body import as_object, decode_answer
from switchgear.wire.openai_chat_stream import DONE, Chunk, raise_stream_error
from switchgear.wire.openai_chat_writer import ChunkFrame
from switchgear.wire.openai_errors import is_well_formed, write_failure
from switchgear.wire.openai_usage import read_finish, read_stop_sequence, read_usage
from switchgear.wire.sse import read_events

_FRAME: Final = re.compile(rb"(.*?(?:\r\n\r\n|\n\r\n|\r\n\n|\n\n|\r\r))", re.DOTALL)
_BREAKING_LINE: Final = re.compile(rb"^(?:id|retry)(?::[^\r\n]*)?(?:\r\n|\n|\r)", re.MULTILINE)
_NO_FRAME: Final = b"\x00"
# Escapes count as they are written (two bytes for a line end): near enough for an estimate. The quantifiers are
# possessive, or a string that never ends would be cut in every way there is.
_CONTENT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|arguments|text)": ?"((?:[^"\\]++|\\.)++)"'
)
_PERHAPS_ERROR: Final = b'"error"'


class _Identity(Struct):
    id: str = ""
    created: float | None = None
    model: str = ""


class ChatRelay:
    """The Relay of OpenAI's streams; ``kind`` is the ``object`` of a chunk that must be made up."""

    __slots__ = ("_kind", "_last", "_options", "_over", "_prefix", "_suffix", "tally")

    def __init__(self, options: StreamOptions, kind: str) -> None:
        self.tally = Tally()
        self._options = options
        self._kind = kind
        self._last = b""
        self._over = False
        self._prefix = self._suffix = _NO_FRAME

    def forward(self, frames: bytes) -> bytes:
        if frames.startswith(self._prefix) and frames.endswith(self._suffix):
            piece = frames[len(self._prefix) : -len(self._suffix)]
            # No quote and no line end: one more frame of the kind last seen, with another string in its place.
            if piece and b'"' not in piece and b"\n" not in piece:
                self.tally.content_bytes += len(piece)
                self.tally.content_frames += 1
                self._last = frames
                return frames
        if self._over or _must_be_read(frames):
            return self._forward_each(frames)
        self._count(frames)
        self._learn(frames)
        self._last = frames
        return frames

    def _learn(self, frames: bytes) -> None:
        """Remember what stands around the content of a frame that says nothing else."""
        content = _CONTENT.search(frames)
        if content is not None and frames.find(b"\n\n") == len(frames) - 2:
            self._prefix = frames[: content.start(1)]
            self._suffix = frames[content.end(1) :]

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
                stop_sequence = read_stop_sequence(choice.stop_reason, choice.matched_stop)
                self.tally.finish = read_finish(choice.finish_reason, stop_sequence)
        if chunk.usage is None:
            return frame
        self.tally.usage = read_usage(chunk.usage)
        self.tally.service = chunk.service_tier
        return b"" if not chunk.choices and not self._options.include_usage else frame

    def _fail(self, error: SwitchgearError, frame: bytes, data: bytes) -> bytes:
        """Let the SDKs raise: an error they can read goes on as it is, any other is written anew."""
        self.tally.error = error
        self._end()
        if not isinstance(error, UpstreamGarbled) and is_well_formed(as_object(Raw(data)).get("error")):
            return frame
        return write_failure(error)

    def _finish(self) -> bytes:
        """Complete; where nothing told usage, an estimate is the usage, for the client as for accounting."""
        tally = self.tally
        tally.complete = True
        self._end()
        if tally.usage is not None:
            return b""
        tally.usage = estimated_usage(self._options.input_tokens_estimate, tally.content_frames, tally.content_bytes)
        if not self._options.include_usage:
            return b""
        return self._made_up_frame().usage(tally.usage)

    def _end(self) -> None:
        self._over = True
        self._prefix = self._suffix = _NO_FRAME

    def _made_up_frame(self) -> ChunkFrame:
        last = [data for _, data in read_events(self._last)]
        identity = decode_answer(_Identity, last[-1]) if last else _Identity()
        start = Start(id=identity.id, model=identity.model, created_seconds=int(identity.created or 0))
        return ChunkFrame(start, self._kind, include_usage=True)


def _must_be_read(frames: bytes) -> bool:
    """Whether anything but content may be in these frames, or anything but plain ``data:`` lines."""
    if not frames.startswith(b"data: {") or not frames.endswith(b"}\n\n") or _PERHAPS_ERROR in frames:
        return True
    if b"[DONE]" in frames:
        return True
    return _tells(frames, b'"usage"') or _tells(frames, b'"finish_reason"')


def _tells(frames: bytes, member: bytes) -> bool:
    """Whether ``member`` stands there with a value: servers asked for usage write both as null on every chunk."""
    times = frames.count(member)
    if not times:
        return False
    quiet = frames.count(member + b":null")
    return times != quiet and times != quiet + frames.count(member + b": null")
