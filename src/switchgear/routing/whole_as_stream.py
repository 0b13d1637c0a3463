"""A whole answer in the place of a stream."""

from switchgear.kernel.chat import Event
from switchgear.kernel.reply import Frame


class WholeAsStream:
    """A whole answer told as a stream, for a client that asked for one where the upstream did not stream."""

    __slots__ = ("_events", "_raw")

    def __init__(self, raw: bytes, events: list[Event]) -> None:
        self._raw: bytes | None = raw
        self._events = events

    def __aiter__(self) -> "WholeAsStream":
        return self

    async def __anext__(self) -> Frame:
        raw, self._raw = self._raw, None
        if raw is None:
            raise StopAsyncIteration
        return Frame(raw, self._decode)

    def _decode(self, raw: bytes) -> list[Event]:
        return self._events

    def close(self) -> None:
        """Nothing is open."""
