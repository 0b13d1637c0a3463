"""Keeping what a stream says while it is made: before its last frame goes out, for then its record is written."""

from switchgear.kernel.call import Call
from switchgear.kernel.capture import KeptFrames
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.reply import Frame
from switchgear.routing.frames import Converter
from switchgear.routing.telling import Telling


def to_keep(call: Call, telling: Telling | None) -> KeptFrames | None:
    """Where the frames of the call's answer are to be kept; None: nowhere.

    One answer is kept in one place, whoever goes on with it.
    """
    max_bytes = call.kept_bytes
    if not max_bytes:
        return None
    if telling is None:
        return KeptFrames(max_bytes)
    telling.kept = telling.kept or KeptFrames(max_bytes)
    return telling.kept


class Keeping:
    """A converter of which all that it gives to the client is kept."""

    __slots__ = ("_converter", "_kept", "tally")

    def __init__(self, converter: Converter, kept: KeptFrames) -> None:
        self.tally: Tally = converter.tally
        self._converter = converter
        self._kept = kept

    def convert(self, frames: bytes) -> bytes:
        out = self._converter.convert(frames)
        self._kept.add(out)
        return out

    def at_end(self) -> bytes:
        out = self._converter.at_end()
        self._kept.add(out)
        return out

    def failure(self, error: SwitchgearError) -> bytes:
        return self._converter.failure(error)

    def frame(self, raw: bytes) -> Frame:
        return self._converter.frame(raw)
