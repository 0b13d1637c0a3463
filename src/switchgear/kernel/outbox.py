"""Small writes of one round of the event loop: the first at once, the others behind one another at its end.

A write to a socket wakes whoever waits for it. Where other work lies between two writes the reader goes to sleep again,
and on a virtual machine waking a core costs more than the write itself; one behind the other they find it awake, and
those to the same sink are one.
"""

from collections.abc import Callable
from typing import Final, Protocol

_MOST_SINKS: Final = 8
"""To wait for more than these saves nothing worth the wait."""
_MOST_BYTES: Final = 16 * 1024
"""So much is worth a write of its own. Were more held, each piece would copy all before it once more, and whoever puts
without a pause would not learn that its reader takes nothing: only a write tells that there is no room."""


class Sink(Protocol):
    """What a transport of asyncio has for whoever only writes."""

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool: ...


class Outbox:
    """Writes what it is given, to each sink in the order in which it came: where little goes on at once, and otherwise
    once all that is ready to run now has run.

    Whoever closes a sink, or writes to it by another way, calls :meth:`flush` first; a callback or a task that was not
    ready when something was put need not, for it runs after the writes. What is for a sink that closes is dropped.
    """

    __slots__ = ("_gathers", "_soon", "_writes")

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` is the loop's ``call_soon``."""
        self._soon = soon
        self._writes: dict[Sink, bytes] = {}
        self._gathers = False

    def put(self, sink: Sink, data: bytes) -> None:
        """Have ``data`` written to ``sink``: now, if it is the first of this round, else when enough have come, at its
        end at the latest."""
        if self._gathers:
            writes = self._writes
            held = writes.get(sink)
            if held is not None:
                data = held + data
            writes[sink] = data
            if len(writes) >= _MOST_SINKS or len(data) >= _MOST_BYTES:
                self.flush()
            return
        self._gathers = True
        self._soon(self._end)
        if not sink.is_closing():
            sink.write(data)

    def _end(self) -> None:
        self._gathers = False
        self.flush()

    def flush(self) -> None:
        """Write all of it now."""
        writes, self._writes = self._writes, {}
        for sink, data in writes.items():
            if not sink.is_closing():
                sink.write(data)
