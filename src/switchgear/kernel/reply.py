"""What comes back up through the pipeline."""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from msgspec import Struct

from switchgear.kernel.capture import KeptFrames
from switchgear.kernel.chat import Event
from switchgear.kernel.errors import SwitchgearError

Headers = list[tuple[bytes, bytes]]
Decode = Callable[[bytes], list[Event]]


class Frame:
    """One or more complete events of a stream that were ready at once; decoded only when someone looks."""

    __slots__ = ("_decode", "_events", "raw")

    def __init__(self, raw: bytes, decode: Decode, events: list[Event] | None = None) -> None:
        self.raw = raw
        self._decode = decode
        self._events = events

    def events(self) -> list[Event]:
        """The canonical events. Whoever looks must look at every frame of a reply, in order."""
        if self._events is None:
            self._events = self._decode(self.raw)
        return self._events


class Frames(Protocol):
    """The body of a streamed reply."""

    def __aiter__(self) -> "Frames": ...

    async def __anext__(self) -> Frame:
        """The next frame. Raises an UpstreamError when the answer breaks off."""
        ...

    def close(self) -> None:
        """Let go of everything below, at once; harmless when called again or after the end."""
        ...


Send = Callable[[bytes], bool]
"""Takes bytes at once, and says whether there is room for more."""


@runtime_checkable
class Pushing(Protocol):
    """Frames that can be handed over in the moment in which they arrive, without waking whoever waits for them."""

    async def push(self, send: Send) -> bool:
        """Give ``send`` the bytes of each frame, until it has no room (True: call again) or the last one is out.

        Raises what iterating raises. Who pushes need not iterate, and the other way round.
        """
        ...


def pusher(frames: Frames) -> Callable[[Send], Awaitable[bool]] | None:
    """How ``frames`` push themselves, if they are :class:`Pushing`: to ask the protocol costs a stream microseconds."""
    push: Callable[[Send], Awaitable[bool]] | None = getattr(frames, "push", None)
    return push


class Ending(Protocol):
    """Told once, when the outcome of a reply is known."""

    def __call__(self, error: SwitchgearError | None, *, cancelled: bool) -> None: ...


class Reply(Struct, eq=False):
    """A status, headers, and either the whole body or frames.

    The outcome is settled exactly once, before the last byte goes out: by the body when it completes or breaks,
    by :meth:`close` when the client goes away first.
    """

    status: int
    headers: Headers
    body: bytes = b""
    frames: Frames | None = None
    streamed_bytes: int = 0
    """Of the frames, when the outcome is settled."""
    kept: KeptFrames | None = None
    """What is kept of the frames, where the call wants that and who makes them sees to it."""
    opaque: bool = False
    """The body is of no dialect: its own headers describe it, and nothing may be put among its bytes."""
    cut: SwitchgearError | None = None
    """Why a stage ends the body before its end: closing it is then not the client's doing."""
    settled: bool = False
    error: SwitchgearError | None = None
    """How a settled reply failed; None when it did not."""
    _endings: list[Ending] = []

    def on_end(self, ending: Ending) -> None:
        """Have ``ending`` called when the outcome is known; innermost stages are told first."""
        self._endings.append(ending)

    def settle(self, error: SwitchgearError | None = None, *, cancelled: bool = False) -> None:
        """Declare the outcome; only the first word counts."""
        if self.settled:
            return
        self.settled = True
        if cancelled and self.cut is not None:
            error, cancelled = self.cut, False
        self.error = error
        # An ending mostly knows its reply: once told, it is let go, or the collector would have to find both.
        endings, self._endings = self._endings, []
        for ending in endings:
            ending(error, cancelled=cancelled)

    def close(self) -> None:
        """The reader is done or gone: close everything under the reply, at once."""
        if self.frames is not None:
            self.frames.close()
        self.settle(cancelled=self.frames is not None)
