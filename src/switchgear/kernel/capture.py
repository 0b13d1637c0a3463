"""What is kept of what calls say: nothing, its first words, or all of it, as each project wants."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

CaptureLevel = Literal["none", "previews", "full"]


class CaptureRules(Struct, frozen=True, kw_only=True):
    """Of one snapshot in which something is kept."""

    usual: CaptureLevel
    projects: Mapping[str, CaptureLevel] = {}
    """Those that say something else."""
    max_bytes: int
    """Of a request's body, and as much of its answer."""

    def level(self, project: str) -> CaptureLevel:
        """What is kept of a project's calls; the empty name is everybody's who has none."""
        return self.projects.get(project, self.usual)


class KeptFrames:
    """The frames of a stream as they went out, up to a bound: whole ones, none decoded."""

    __slots__ = ("_pieces", "_room_bytes", "cut")

    def __init__(self, max_bytes: int) -> None:
        self._pieces: list[bytes] = []
        self._room_bytes = max_bytes
        self.cut = False
        """Whether some of them are missing."""

    def add(self, raw: bytes) -> None:
        """Keep what comes next."""
        if self.cut:
            return
        self._room_bytes -= len(raw)
        if self._room_bytes < 0:
            self.cut = True
        else:
            self._pieces.append(raw)

    def joined(self) -> bytes:
        """All of them."""
        return b"".join(self._pieces)
