"""Small writes of one round of the event loop, done behind one another at its end.

A write to a socket wakes whoever waits for it. Where other work lies between two writes the reader goes to sleep again,
and on a virtual machine waking a core costs more than the write itself; one behind the other they find it awake.
"""

from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """What a transport of asyncio has for whoever only writes."""

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool: ...


class Outbox:
    """Writes what it is given once all that is ready to run now has run, in the order in which it came.

    Whoever closes a sink, or writes to it by another way, calls :meth:`flush` first; a callback or a task that was not
    ready when something was put need not, for it runs after the writes. What is for a sink that closes is dropped.
    """

    __slots__ = ("_soon", "_writes")

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` is the loop's ``call_soon``."""
        self._soon = soon
        self._writes: list[tuple[Sink, bytes]] = []

    def put(self, sink: Sink, data: bytes) -> None:
        """Have ``data`` written to ``sink`` at the end of this round."""
        if not self._writes:
            self._soon(self.flush)
        self._writes.append((sink, data))

    def flush(self) -> None:
        """Write all of it now."""
        writes, self._writes = self._writes, []
        for sink, data in writes:
            if not sink.is_closing():
                sink.write(data)
