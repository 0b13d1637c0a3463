"""What one client may take up, and what all of them together."""

from msgspec import Struct


class Bounds(Struct, frozen=True, kw_only=True):
    """What one client may take up."""

    max_body_bytes: int = 32 * 1024 * 1024
    max_upload_bytes: int = 512 * 1024 * 1024
    """Of a body that is passed on while it arrives."""
    max_arriving_bytes: int = 1024 * 1024 * 1024
    """Of requests that have not arrived whole, all clients together."""
    max_connections: int = 16_384
    max_head_bytes: int = 64 * 1024
    max_headers: int = 200
    max_pipelined: int = 8
    request_seconds: float = 60.0
    """For a request to arrive after its first byte; what arrives puts it off, a piece after a pause hardly."""
    keepalive_seconds: float = 75.0
    stalled_seconds: float = 60.0
    """For a client to take what was written for it."""
    hold_seconds: float = 15.0
    """For the head of a stream to wait for the first content; 0: as long as that takes."""


class Room:
    """The memory for requests while they arrive, shared by all connections: nobody has shown a key yet."""

    __slots__ = ("bounds", "left_bytes")

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.left_bytes = bounds.max_arriving_bytes

    def take(self, size_bytes: int) -> bool:
        """Take more; False when there is not so much left, and nothing was taken."""
        if size_bytes > self.left_bytes:
            return False
        self.left_bytes -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """What was taken is free again."""
        self.left_bytes += size_bytes
