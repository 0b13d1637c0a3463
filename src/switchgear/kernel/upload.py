"""A request body that is passed on while it arrives."""

from typing import Protocol


class Upload(Protocol):
    """The pieces of a body, each as soon as it is there; whoever does not ask for the next one slows the sender."""

    @property
    def size_bytes(self) -> int | None:
        """Of the whole body; None where only its end will tell."""
        ...

    def __aiter__(self) -> "Upload": ...

    async def __anext__(self) -> bytes:
        """The next piece, never empty. Raises a CallerError when the body does not come in time or within bounds."""
        ...
