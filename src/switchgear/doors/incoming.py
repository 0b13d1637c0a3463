"""The body of one request as an Upload: filled by the intake, emptied by a call, with back-pressure on the client."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.upload import Upload

_HIGH_WATER_BYTES: Final = 256 * 1024


class Incoming:
    """What has arrived of a body and was not taken yet."""

    __slots__ = ("_error", "_held_bytes", "_pieces", "_resume", "_waiter", "ended", "endless", "limit_bytes",
                 "paused", "received_bytes", "size_bytes")  # fmt: skip

    def __init__(self, size_bytes: int | None, limit_bytes: int = 0, *, endless: bool = False) -> None:
        self.endless = endless
        """Not a body, but all that a client says: it may be silent as long as it likes."""
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        """How much is taken."""
        self.received_bytes = 0
        self.ended = False
        """Whether all of it has arrived."""
        self.paused = False
        """Whether the client has to wait."""
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._error: SwitchgearError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._resume: Callable[[], None] | None = None

    def __aiter__(self) -> "Incoming":
        return self

    async def __anext__(self) -> bytes:
        """The next piece. Raises what :meth:`fail` was given."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        piece = self._pieces.popleft()
        self._held_bytes -= len(piece)
        if self.paused and not self._pieces:
            self.paused = False
            if self._resume is not None:
                self._resume()
        return piece

    def on_resume(self, resume: Callable[[], None]) -> None:
        """Have ``resume`` called when a client that had to wait need not wait any more."""
        self._resume = resume

    def arrived(self, piece: bytes) -> bool:
        """Take more of the body; whether the client must wait now."""
        self.received_bytes += len(piece)
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        self.paused = self._held_bytes > _HIGH_WATER_BYTES
        self._wake()
        return self.paused

    def end(self) -> None:
        """The body is whole."""
        self.ended = True
        self._wake()

    def fail(self, error: SwitchgearError) -> None:
        """The rest of the body will not come."""
        self._error = error
        self._pieces.clear()
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


if TYPE_CHECKING:
    _: type[Upload] = Incoming
