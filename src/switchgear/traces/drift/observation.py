"""What monitors look at: inputs with their measures, and who makes vectors of their texts."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from msgspec import Struct


class Subject(Struct, frozen=True, kw_only=True, order=True):
    """Whose inputs they are: a project's, to one alias, rendered from one prompt."""

    project: str
    alias: str
    prompt: str = ""
    """Empty: whatever the prompt."""


class Observation(Struct, frozen=True, kw_only=True):
    """One input of a user, and what became of it."""

    text: str = ""
    embedding: tuple[float, ...] | None = None
    """None: it is made from the text."""
    length: int | None = None
    """In tokens; None: it is not known."""
    answer_length: int | None = None
    """The same of what was answered."""
    language: str = ""
    """Empty: it is guessed from the text."""
    cost_nano_usd: int | None = None
    """None: it is not known."""
    tools: tuple[str, ...] | None = None
    """Names of the tools called; None: it is not known."""
    session: str = ""
    """Inputs of one session follow from each other; empty: of none."""


class Embedder(Protocol):
    """Texts to vectors; equal texts have equal vectors."""

    @property
    def name(self) -> str:
        """Which one: vectors of two embedders cannot be compared."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row for each text, of length one; zeros for a text in which there is nothing."""
        ...
