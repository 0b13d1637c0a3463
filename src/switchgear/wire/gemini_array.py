"""Gemini's streams as Google sends them to who does not ask for events (``alt=sse``): one JSON array of chunks.

The array is not a dialect of its own: what goes on behind the door is the same, and only the last step differs.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import SwitchgearError
from switchgear.wire.gemini import Gemini
from switchgear.wire.gemini_errors import write_error
from switchgear.wire.sse import read_events

_END: Final = b"]"
_START: Final = b"["
_BETWEEN: Final = b",\r\n"


class GeminiArray(Gemini):
    """The face of the dialect for such a stream: its media type, and what the server itself writes into it."""

    stream_type: bytes = b"application/json; charset=utf-8"
    keepalive: bytes = b"\n"

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        """The last element, behind others."""
        return _BETWEEN + write_error(error, request_id) + _END


def write_only_failure(error: SwitchgearError, request_id: str) -> bytes:
    """The one element of an array that was promised, but never began."""
    return _START + write_error(error, request_id) + _END


class ArrayWriter:
    """Turns frames of events into the elements of an array."""

    __slots__ = ("_started",)

    def __init__(self) -> None:
        self._started = False

    def write(self, frames: bytes) -> bytes:
        """The elements in complete frames, with what goes before each; ``b""`` when there are none."""
        return b"".join(self._elements(frames))

    def end(self) -> bytes:
        """What ends the array."""
        return _END if self._started else _START + _END

    def _elements(self, frames: bytes) -> Iterator[bytes]:
        for _, data in read_events(frames):
            yield (_BETWEEN if self._started else _START) + data
            self._started = True


if TYPE_CHECKING:
    _: type[Dialect] = GeminiArray
