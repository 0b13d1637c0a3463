"""Token counts of a Realtime session, read off the frames that the upstream sends (RFC 6455 §5) while they go by.

Each event of the type ``response.done`` tells the usage of one response; a session's is their sum. Of messages no more
is looked at than passes by, and nothing but a usage is held. An event is one by its own type, not by what it quotes.
"""

from typing import Final

from msgspec import structs

from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import BadRequest
from switchgear.wire.json_member import MemberFinder
from switchgear.wire.usage_scan import UsageScan
from switchgear.wire.websocket_frames import FrameWalk

_DONE: Final = "response.done"
_QUOTED: Final = _DONE.encode()
_ESCAPE: Final = b"\\u"


class SessionUsage:
    """``usage`` is the sum so far; None before the first response ended."""

    __slots__ = ("_begun", "_frames", "_kind", "_scan", "usage")

    def __init__(self) -> None:
        self._frames = FrameWalk()
        self._begun = False
        """Whether a part of a message was read."""
        self._kind: MemberFinder | None = None
        """Looks for the type of the message; None when the message is not looked at."""
        self._scan = UsageScan()
        self.usage: Usage | None = None

    @property
    def between_frames(self) -> bool:
        """Whether another frame may follow what came last."""
        return self._frames.between

    def feed(self, data: bytes) -> None:
        """Look at more bytes from the upstream."""
        for piece in self._frames.feed(data):
            if not piece.control:
                self._look(data[piece.start : piece.end], ends=piece.ends)

    def _look(self, piece: bytes, *, ends: bool) -> None:
        if not self._begun:
            # Most messages come whole and are no end of a response: they cost a search for the word.
            self._begun = True
            unsaid = ends and _QUOTED not in piece and _ESCAPE not in piece
            self._kind = None if unsaid else MemberFinder("type")
        if self._kind is not None:
            self._read(self._kind, piece)
        if not ends:
            return
        if self._kind is not None and self._kind.found is not None and self._scan.usage is not None:
            self.usage = _sum(self.usage, self._scan.usage)
        self._begun, self._kind, self._scan = False, None, UsageScan()

    def _read(self, kind: MemberFinder, piece: bytes) -> None:
        try:
            if kind.found is None:
                kind.feed(piece)
        except BadRequest:
            self._kind = None
            return
        if kind.found is not None and kind.found.value != _DONE:
            self._kind = None
            return
        self._scan.feed(piece)


def _sum(before: Usage | None, more: Usage) -> Usage:
    if before is None:
        return more
    counts = structs.asdict(more)
    return Usage(**{name: count + getattr(before, name) for name, count in counts.items() if name != "estimated"})
