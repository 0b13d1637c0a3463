"""What is kept of what calls say: nothing, its first words, or all of it, as each project wants."""

from collections.abc import Callable, Mapping
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
    """The frames of a stream as they went out, whole ones and none decoded, until they reach a bound."""

    __slots__ = ("_max_bytes", "raw")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.raw = bytearray()

    @property
    def cut(self) -> bool:
        """Whether some of them may be missing."""
        return len(self.raw) >= self._max_bytes

    def add(self, raw: bytes) -> None:
        """Keep what comes next, unless the bound is reached."""
        if len(self.raw) < self._max_bytes:
            self.raw += raw

    def watching(self, convert: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        """``convert``, of which all that it gives is kept."""
        kept, max_bytes = self.raw, self._max_bytes
        extend = kept.extend

        def converted(frames: bytes) -> bytes:
            # In line, because this runs for every frame of a stream.
            out = convert(frames)
            if len(kept) < max_bytes:
                extend(out)
            return out

        return converted
