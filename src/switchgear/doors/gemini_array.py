"""The last handler of a stream that goes out as one JSON array."""

from functools import partial
from typing import TYPE_CHECKING

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Event
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Frame, Frames, Reply
from switchgear.wire.gemini_array import ArrayWriter


class AsArray:
    """Calls upstreams as ever, and turns the events that come back into elements of an array."""

    __slots__ = ("_route",)

    def __init__(self, route: Next) -> None:
        self._route = route

    async def __call__(self, call: Call) -> Reply:
        reply = await self._route(call)
        if reply.frames is not None:
            reply.frames = ArrayFrames(reply.frames)
        return reply


class ArrayFrames:
    """The frames of a stream, each as elements; after the last one, the end of the array."""

    __slots__ = ("_ended", "_frames", "_writer")

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._writer = ArrayWriter()
        self._ended = False

    def __aiter__(self) -> "ArrayFrames":
        return self

    async def __anext__(self) -> Frame:
        if self._ended:
            raise StopAsyncIteration
        async for frame in self._frames:
            elements = self._writer.write(frame.raw)
            if elements:
                return Frame(elements, partial(_events_of, frame))
        self._ended = True
        return Frame(self._writer.end(), lambda _: [])

    def close(self) -> None:
        self._frames.close()


def _events_of(frame: Frame, elements: bytes) -> list[Event]:
    return frame.events()


if TYPE_CHECKING:
    _: type[Frames] = ArrayFrames
