"""Going on with an answer that broke off: another deployment is given what was told so far, and writes on from there.

Only for names whose policy asks for it, and only while the answer is one plain text. Both attempts are on record, and
the usage that the client is told is the sum of what both cost. When nobody can go on, the client is told the failure.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from msgspec.structs import replace

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Message, Text
from switchgear.kernel.errors import SwitchgearError, UpstreamError, UpstreamTruncated
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.reply import Frame, Frames, Reply
from switchgear.routing.telling import Telling

GoOn = Callable[[Call, SwitchgearError], Coroutine[Any, Any, Reply]]
"""Makes another attempt, at a deployment that can be begun. Raises SwitchgearError when there is none, or it fails."""

MAX_RESUMPTIONS: Final = 2


class ResumedFrames:
    """The frames of one answer, whoever sends them; settles ``reply`` before its last one."""

    __slots__ = ("_call", "_closed", "_frames", "_go_on", "_going", "_inner", "_outer", "_resumptions", "_telling",
                 "_told_bytes")  # fmt: skip

    def __init__(self, call: Call, first: Reply, telling: Telling, go_on: GoOn) -> None:
        self._call = call
        self._telling = telling
        self._go_on = go_on
        self._resumptions = 0
        self._told_bytes = 0
        """Of the answers before the one that goes on now."""
        self._closed = False
        self._going: asyncio.Task[Reply] | None = None
        """The attempt that is to go on, until it has content."""
        self._outer: Reply | None = None
        self._inner = first
        self._frames: Frames = first.frames or _Nothing()

    def reply(self) -> Reply:
        """The reply that stands for all of them."""
        self._outer = Reply(self._inner.status, self._inner.headers, frames=self, kept=self._inner.kept)
        self._follow(self._inner)
        return self._outer

    def __aiter__(self) -> "ResumedFrames":
        return self

    async def __anext__(self) -> Frame:
        while True:
            try:
                return await self._frames.__anext__()
            except StopAsyncIteration:
                error = self._inner.error
                if error is None:
                    raise
            except UpstreamError as broken:
                error = broken
            last = await self._resume(error)
            if last:
                return Frame(last, lambda _: [])

    async def _resume(self, error: SwitchgearError) -> bytes:
        """Have another upstream go on. The last bytes, where only the end mark is missing. Raises ``error``."""
        telling = self._telling
        if self._closed:
            raise error
        if telling.finished:
            end = telling.end()
            self._told_bytes += len(end)
            self._settle(None)
            self._frames = _Nothing()
            self._inner = Reply(200, [])
            return end
        if not telling.is_plain or not telling.text.strip() or self._resumptions >= MAX_RESUMPTIONS:
            raise self._settle(error)
        self._resumptions += 1
        spent = self._call.attempts[-1].usage
        try:
            following = await self._following(continued(self._call, telling.again(spent)), error)
        except SwitchgearError:
            raise self._settle(error) from None
        self._told_bytes += self._inner.streamed_bytes
        self._inner = following
        self._frames = following.frames or _Nothing()
        self._follow(following)
        return b""

    async def _following(self, call: Call, error: SwitchgearError) -> Reply:
        self._going = asyncio.ensure_future(self._go_on(call, error))
        try:
            return await self._going
        except asyncio.CancelledError:
            if self._closed:
                raise UpstreamTruncated("closed") from None
            raise
        finally:
            self._going = None

    def _follow(self, inner: Reply) -> None:
        """Take over a good ending at once: the record is written before the last frame goes out."""
        if inner.settled:
            if inner.error is None:
                self._settle(None)
            return
        inner.on_end(self._ended)

    def _ended(self, error: SwitchgearError | None, *, cancelled: bool) -> None:
        if error is None and not cancelled:
            self._settle(None)

    def _settle(self, error: SwitchgearError | None) -> SwitchgearError:
        if self._outer is not None:
            self._outer.streamed_bytes = self._told_bytes + self._inner.streamed_bytes
            self._outer.settle(error)
        return error or UpstreamError("the answer is complete")

    def close(self) -> None:
        """Let go of whoever is sending, or about to."""
        self._closed = True
        if self._going is not None:
            self._going.cancel()
        self._inner.close()
        if self._outer is not None:
            self._outer.streamed_bytes = self._told_bytes + self._inner.streamed_bytes


class _Nothing:
    """No frames."""

    def __aiter__(self) -> "_Nothing":
        return self

    async def __anext__(self) -> Frame:
        raise StopAsyncIteration

    def close(self) -> None:
        """Nothing is open."""


def continued(call: Call, told: str) -> Call:
    """The same call, with what was answered so far as the beginning of the answer."""
    chat = call.chat()
    begun = Text(text=told)
    last = chat.messages[-1] if chat.messages else None
    if last is not None and last.role == "assistant":
        messages = (*chat.messages[:-1], replace(last, parts=(*last.parts, begun)))
    else:
        messages = (*chat.messages, Message(role="assistant", parts=(begun,)))
    limit = chat.max_output_tokens
    if limit is not None:
        limit = max(1, limit - estimate_tokens(len(told.encode())))
    going_on = replace(chat, messages=messages, max_output_tokens=limit)
    return replace(call, body=call.dialect.write_request(going_on), _chat=None)
