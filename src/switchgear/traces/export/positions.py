"""How far each collector is, as its exporter keeps it: behind which span the store need not hold any for it."""

from pathlib import Path
from typing import Final

from switchgear.traces.offsets import FileOffsets

_PLACE: Final = "spans"


class KeptPosition:
    """Of one collector, in a file of ``folder``."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._offsets = FileOffsets(folder / f"{name}.json")

    def load(self) -> int | None:
        """None of one that was sent nothing yet. Raises OSError, and ValueError when the file is broken."""
        return self._offsets.load().get(_PLACE)

    def commit(self, position: int) -> None:
        """Keep it, durably. Raises OSError."""
        self._offsets.commit({_PLACE: position})

    def make_room(self) -> None:
        """Let there be a folder. Raises OSError."""
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
