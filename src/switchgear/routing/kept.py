"""Keeping what a stream says while it is made: before its last frame goes out, for then its record is written."""

from collections.abc import Callable
from typing import cast

from switchgear.kernel.call import Call
from switchgear.kernel.capture import KeptFrames
from switchgear.kernel.dialect import Tally
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


class _Keeping:
    """A converter of which all that it gives to the client is kept, but for the gateway's own words on a failure."""

    __slots__ = ("at_end", "convert", "failure", "frame", "tally")

    def __init__(self, converter: Converter, kept: KeptFrames) -> None:
        self.tally: Tally = converter.tally
        self.convert: Callable[[bytes], bytes] = kept.watching(converter.convert)
        self.at_end = converter.at_end
        self.failure = converter.failure
        self.frame = converter.frame


def keeping(converter: Converter, kept: KeptFrames) -> Converter:
    """A converter of which all that it gives to the client is kept."""
    # Its methods are attributes, which saves a call for each frame; a type checker would bind them once more.
    return cast("Converter", _Keeping(converter, kept))
