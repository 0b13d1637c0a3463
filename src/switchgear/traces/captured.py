"""What a call says, beside its record: references to bytes that are there anyway, until the record is written."""

from typing import Final

from zstandard import ZstdCompressor

from switchgear.kernel.call import Call
from switchgear.kernel.capture import CaptureRules, KeptFrames
from switchgear.kernel.record import CapturedRecord
from switchgear.kernel.reply import Frame, Frames, Headers, Reply

_READABLE: Final = (b"application/json", b"text/event-stream")
_SWITCHING: Final = 101
_FASTEST: Final = -1
"""Frames repeat their envelope: a twentieth is left at any level, and writing the rest would cost more than this."""


class _Watched:
    """Frames that are kept as they go by."""

    __slots__ = ("_frames", "_kept")

    def __init__(self, frames: Frames, kept: KeptFrames) -> None:
        self._frames = frames
        self._kept = kept

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> Frame:
        frame = await self._frames.__anext__()
        self._kept.add(frame.raw)
        return frame

    def close(self) -> None:
        self._frames.close()


def watch(call: Call, reply: Reply) -> None:
    """Keep the frames of a reply whose maker does not: it is a vendor's answer that is passed through."""
    max_bytes = call.kept_bytes
    if not max_bytes or reply.kept is not None or reply.frames is None or reply.status == _SWITCHING:
        return
    if reply.opaque and not _is_readable(reply.headers):
        return
    reply.kept = KeptFrames(max_bytes)
    reply.frames = _Watched(reply.frames, reply.kept)


class Keeper:
    """Puts what calls said, and what they were answered, into their records."""

    __slots__ = ("_compress",)

    def __init__(self) -> None:
        self._compress = ZstdCompressor(level=_FASTEST).compress

    def keep(self, record: CapturedRecord, call: Call, rules: CaptureRules, reply: Reply | None) -> None:
        """What the rules want of a call that is over."""
        caller = call.caller
        level = "none" if caller is None else rules.level(caller.project)
        if level == "none":
            return
        max_bytes, body = rules.max_bytes, call.body
        record.capture = level
        if len(body) > max_bytes:
            record.request_cut, body = True, body[:max_bytes]
        record.request_body = body
        if reply is None:
            record.dialect = call.dialect.name
            return
        if not reply.opaque:
            record.dialect = call.dialect.name
        kept, answer = reply.kept, reply.body
        if kept is not None:
            record.answer_frames, record.answer_cut = self._compress(kept.raw), kept.cut
            return
        if len(answer) > max_bytes:
            record.answer_cut, answer = True, answer[:max_bytes]
        record.answer_body = answer


def _is_readable(headers: Headers) -> bool:
    return any(name == b"content-type" and value.lower().startswith(_READABLE) for name, value in headers)
