"""A door with a port of its own, beside those of the process' web server."""

from typing import Protocol


class Listening(Protocol):
    """One that can be opened and closed."""

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that it became, where 0 was asked for. Raises OSError."""
        ...

    async def aclose(self) -> None:
        """Take nothing more, and end what is under way."""
        ...
