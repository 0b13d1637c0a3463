"""A door with a port of its own, beside those of the process' web server."""

from typing import Protocol

from msgspec import Struct


class Proof(Struct, frozen=True, kw_only=True):
    """What a port proves itself by, and asks of its clients; all in PEM."""

    certificate: bytes
    """With those between it and its authority behind it."""
    key: bytes
    client_authorities: bytes | None = None
    """None: clients are asked for no certificate."""

    def __repr__(self) -> str:
        return "Proof(****)"


class Listening(Protocol):
    """One that can be opened and closed."""

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that it became, where 0 was asked for. Raises OSError."""
        ...

    async def aclose(self) -> None:
        """Take nothing more, and end what is under way."""
        ...
