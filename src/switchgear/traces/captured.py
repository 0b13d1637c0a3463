"""What a call says, beside its record: references to bytes that are there anyway, until the record is written."""

from typing import Final

from switchgear.kernel.call import Call
from switchgear.kernel.capture import CaptureRules, KeptFrames
from switchgear.kernel.record import CapturedRecord
from switchgear.kernel.reply import Frame, Frames, Headers, Reply

_READABLE: Final = (b"application/json", b"text/event-stream")
_SWITCHING: Final = 101


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


def keep(record: CapturedRecord, call: Call, rules: CaptureRules, reply: Reply | None) -> None:
    """Put what the call said, and what it was answered, into its record."""
    max_bytes = call.kept_bytes
    if not max_bytes or call.caller is None:
        return
    record.capture = rules.level(call.caller.project)
    body = call.body
    record.request_cut = len(body) > max_bytes
    record.request_body = body[:max_bytes] if record.request_cut else body
    if reply is None:
        record.dialect = call.dialect.name
        return
    record.dialect = "" if reply.opaque else call.dialect.name
    kept, answer = reply.kept, reply.body
    if kept is not None:
        record.answer_body, record.answer_cut = kept.joined(), kept.cut
    else:
        record.answer_cut = len(answer) > max_bytes
        record.answer_body = answer[:max_bytes] if record.answer_cut else answer


def _is_readable(headers: Headers) -> bool:
    return any(name == b"content-type" and value.lower().startswith(_READABLE) for name, value in headers)
